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
use burn_patch_small::{Fashion, FineTuning};
use burn_vit::ParamGroups;
use support::{Error, program, say};

fn run(args: &FineTuning) -> Result<(), Error> {
    let device = Device::flex();
    let fashion = Fashion::load(&args.training, &device)?;
    let vit = args.encoder(&device)?;

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
