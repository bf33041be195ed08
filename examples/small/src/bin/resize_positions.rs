//! A trained table of positions brought to another resolution, as each library would do it.
//!
//! ```text
//! cargo run --release -p burn-patch-small --bin resize_positions
//! ```

use std::process::ExitCode;

use burn::tensor::{Device, Tensor};
use burn_patch::Noise;
use burn_patch::embed::LinearPatchEmbedConfig;
use burn_patch::position::AnyPosition;
use burn_patch::resample::{Filter, Profile, Resize};
use burn_patch_small::{Fashion, Training};
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
    let features = vit
        .forward_features(fashion.held_out(200), Noise::None)
        .mean();
    let before = fashion.accuracy(|images| vit.forward(images));
    say(format_args!(
        "28 px, 7×7 patches, as trained: accuracy {before:.3}"
    ));
    if let Err(refused) = vit.layout([40, 40]) {
        say(format_args!("40 px without a profile: {refused}"));
    }
    let enlarge = Resize::try_new([28, 28], [40, 40], Profile::Timm)?;
    let nearest = Profile::Custom(Filter::Nearest);
    for profile in [
        Profile::Timm,
        Profile::HuggingFace,
        Profile::BigVision,
        nearest,
    ] {
        let mut vit = vit.clone();
        if let AnyPosition::Learned(table) = &vit.encoder.position {
            vit.encoder.position = AnyPosition::Learned(table.resized([10, 10], profile)?);
        }
        let after = fashion.accuracy(|images| vit.forward(enlarge.apply_map(images)));
        let large = vit.forward_features(enlarge.apply_map(fashion.held_out(200)), Noise::None);
        let cosine = cosine(features.clone(), large.mean());
        say(format_args!(
            "40 px, 10×10 patches, {profile:?}: accuracy {after:.3}, features' cosine {cosine:.3}"
        ));
    }
    Ok(())
}

fn cosine(a: Tensor<2>, b: Tensor<2>) -> f32 {
    let norm = |x: &Tensor<2>| x.clone().square().sum_dim(1).sqrt();
    let lengths = norm(&a) * norm(&b);
    ((a * b).sum_dim(1) / lengths).mean().into_scalar()
}

fn main() -> ExitCode {
    program(run)
}
