//! A trained table of positions brought to another resolution, as each library would do it.
//!
//! On 2 cores, once compiled: 45 s.
//!
//! ```text
//! $ cargo run -p burn-patch-small --bin resize_positions
//! 28 px, as trained: accuracy 0.734
//! 40 px: this position table cannot place [1, 10, 10]; expected a grid of [1, 7, 7] (…)
//! 40 px, Timm: accuracy 0.624, cosine of the features 0.910
//! 40 px, BigVision: accuracy 0.624, cosine of the features 0.911
//! 40 px, Custom(Nearest): accuracy 0.581, cosine of the features 0.906
//! ```

use std::process::ExitCode;

use burn::tensor::Device;
use burn_patch::Noise;
use burn_patch::embed::LinearPatchEmbedConfig;
use burn_patch::position::AnyPosition;
use burn_patch::resample::{Filter, Profile, Resize};
use burn_patch_small::{Fashion, Training, cosine};
use burn_vit::{EncoderConfig, HeadConfig, VitConfig};
use support::{Error, program, say};

fn run(args: &Training) -> Result<(), Error> {
    let device = Device::flex();
    let fashion = Fashion::load(args, &device)?;
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 64).init(&device);
    let vit = VitConfig::new([28, 28], EncoderConfig::new(4, 4))
        .with_head(HeadConfig::classes(10))
        .init(embed, &device);
    let vit = fashion.train(vit, |vit, images| vit.forward(images))?;
    let pictures = fashion.held_out(200);
    let features = vit.forward_features(pictures.clone(), Noise::None);
    let before = fashion.accuracy(|images| vit.forward(images));
    say(format_args!("28 px, as trained: accuracy {before:.3}"));
    if let Err(refused) = vit.layout([40, 40]) {
        say(format_args!("40 px: {refused}"));
    }
    let enlarge = Resize::try_new([28, 28], [40, 40], Profile::Timm)?;
    let nearest = Profile::Custom(Filter::Nearest);
    for profile in [Profile::Timm, Profile::BigVision, nearest] {
        let mut vit = vit.clone();
        if let AnyPosition::Learned(table) = &vit.encoder.position {
            vit.encoder.position = AnyPosition::Learned(table.resized([10, 10], profile)?);
        }
        let after = fashion.accuracy(|images| vit.forward(enlarge.apply_map(images)));
        let large = vit.forward_features(enlarge.apply_map(pictures.clone()), Noise::None);
        let alike = cosine(features.mean(), large.mean());
        say(format_args!(
            "40 px, {profile:?}: accuracy {after:.3}, cosine of the features {alike:.3}"
        ));
    }
    Ok(())
}

fn main() -> ExitCode {
    program(run)
}
