//! The patch size of a trained model, changed without training it again (FlexiViT's resize of the projection).
//!
//! On 2 cores, once compiled: 45 s.
//!
//! ```text
//! $ cargo run -p burn-patch-small --bin change_patch_size
//! patch [4, 4], pictures [28, 28], 49 tokens: accuracy 0.740
//! patch [8, 8], pictures [56, 56], 49 tokens: accuracy 0.739
//! patch [12, 8], pictures [84, 56], 49 tokens: accuracy 0.739
//! patch [3, 3], pictures [21, 21], 49 tokens: accuracy 0.747
//! patch [2, 2], pictures [28, 28], 196 tokens: accuracy 0.160
//! ```

use std::process::ExitCode;

use burn::tensor::Device;
use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_patch::resample::{Profile, Resize};
use burn_patch_small::{Fashion, Training};
use burn_vit::{EncoderConfig, HeadConfig, VitConfig};
use support::{Error, program, say};

fn run(args: &Training) -> Result<(), Error> {
    let device = Device::flex();
    let fashion = Fashion::load(args, &device)?;
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 64).init(&device);
    let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
    let vit = VitConfig::new([28, 28], EncoderConfig::new(4, 4).with_position(position))
        .with_head(HeadConfig::classes(10))
        .init(embed, &device);
    let vit = fashion.train(vit, |vit, images| vit.forward(images))?;
    let before = fashion.accuracy(|images| vit.forward(images));
    say(format_args!(
        "patch [4, 4], pictures [28, 28], 49 tokens: accuracy {before:.3}"
    ));
    // Pictures enlarged as the patches are keep their 7×7 tokens; patches alone made smaller give more of them.
    let changes = [
        ([8, 8], [56, 56]),
        ([12, 8], [84, 56]),
        ([3, 3], [21, 21]),
        ([2, 2], [28, 28]),
    ];
    for (patch, size) in changes {
        let mut vit = vit.clone();
        vit.patch_embed = vit.patch_embed.with_patch_size(patch)?;
        let resize = Resize::try_new([28, 28], size, Profile::Timm)?;
        let tokens = vit.layout(size)?.tokens;
        let after = fashion.accuracy(|images| vit.forward(resize.apply_map(images)));
        say(format_args!(
            "patch {patch:?}, pictures {size:?}, {tokens} tokens: accuracy {after:.3}"
        ));
    }
    Ok(())
}

fn main() -> ExitCode {
    program(run)
}
