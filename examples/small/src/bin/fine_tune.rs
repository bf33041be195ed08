//! A checkpoint of another library, fine-tuned: its head alone first (a linear probe), then all of it, each layer at its own
//! rate.
//!
//! On 2 cores, once compiled: 25 s. This checkpoint is a tiny one with random weights, so the probe says little.
//!
//! ```text
//! $ cargo run -p burn-patch-small --bin fine_tune -- --weights tests/golden/checkpoints/hf_vit
//! the head alone: accuracy 0.405
//! then all: accuracy 0.701
//! ```

use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::Device;
use burn_patch::embed::PatchEmbed;
use burn_patch::resample::ChannelMap;
use burn_patch_small::{Fashion, FineTuning};
use burn_vit::import::{ImportedModel, Importer};
use burn_vit::{HeadConfig, ParamGroups, Pooling};
use support::{Error, program, say};

fn run(args: &FineTuning) -> Result<(), Error> {
    let device = Device::flex();
    let fashion = Fashion::load(&args.training, &device)?;
    // 7×7 patches of 8 px; half as wide they read pictures of 28 px.
    let importer = Importer::new(&args.weights).with_image([56, 56]);
    let imported = importer.load(&device).map_err(|why| args.refused(why))?;
    let ImportedModel::Vit(mut vit) = imported.model else {
        return Err(args.refused("expected a ViT, got an MAE"));
    };
    vit.patch_embed = vit.patch_embed.with_patch_size([4, 4])?;
    vit.patch_embed = vit.patch_embed.with_channels(&ChannelMap::repeat(3, 1)?)?;
    let head = HeadConfig::classes(10).with_pooling(Pooling::Mean);
    let vit = vit.with_head(&head, &device)?;

    let mut probe = vit.clone().no_grad();
    probe.head = vit.head.clone();
    let probe = fashion.train(probe, |vit, images| vit.forward(images))?;
    let accuracy = fashion.accuracy(|images| probe.forward(images));
    say(format_args!("the head alone: accuracy {accuracy:.3}"));

    let mut all = vit;
    all.head = probe.head.clone();
    let groups = ParamGroups::of(&all)
        .with_weight_decay(0.05)
        .with_layer_decay(0.75);
    let all = fashion.train_in_groups(all, &groups, |vit, images| vit.forward(images))?;
    let accuracy = fashion.accuracy(|images| all.forward(images));
    say(format_args!("then all: accuracy {accuracy:.3}"));
    Ok(())
}

fn main() -> ExitCode {
    program(run)
}
