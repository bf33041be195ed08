//! The patch size of a trained model, changed without training it again (FlexiViT's resize of the projection).
//!
//! ```text
//! cargo run --release -p burn-patch-small --bin change_patch_size
//! ```

use std::process::ExitCode;

use burn::tensor::Device;
use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_patch::resample::{Profile, Resize};
use burn_patch_small::Fashion;
use burn_vit::{EncoderConfig, HeadConfig, VitConfig};
use clap::Parser;
use support::{Error, program, say};

/// Change the patch size of a trained ViT.
#[derive(Parser)]
struct Args {
    /// Steps of training
    #[arg(long, default_value_t = 250)]
    steps: usize,
}

fn run(args: &Args) -> Result<(), Error> {
    let device = Device::flex();
    let fashion = Fashion::load(&device)?;
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 64).init(&device);
    let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
    let vit = VitConfig::new([28, 28], EncoderConfig::new(4, 4).with_position(position))
        .with_head(HeadConfig::classes(10))
        .init(embed, &device);
    let vit = fashion.train(vit, args.steps, |vit, images| vit.forward(images))?;
    let before = fashion.accuracy(|images| vit.forward(images));
    say(format_args!(
        "patch [4, 4], pictures [28, 28]: accuracy {before:.3}"
    ));
    for (patch, side) in [([6, 6], 42), ([8, 8], 56), ([12, 8], 56), ([3, 3], 21)] {
        let size = [patch[0] * 7, patch[1] * 7];
        let _ = side;
        let resize = Resize::try_new([28, 28], size, Profile::Timm)?;
        let mut vit = vit.clone();
        let naive = vit.clone();
        vit.patch_embed = vit.patch_embed.with_patch_size(patch)?;
        let after = fashion.accuracy(|images| vit.forward(resize.apply_map(images)));
        let _ = naive;
        say(format_args!(
            "patch {patch:?}, pictures {size:?}: accuracy {after:.3}"
        ));
    }
    Ok(())
}

fn main() -> ExitCode {
    program(run)
}
