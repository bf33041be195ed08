//! LoRA: small factors beside the attention of an imported encoder, trained with a new head while the rest stays, and then
//! added to its weights.
//!
//! On 2 cores, once compiled: 25 s. This checkpoint is a tiny one with random weights.
//!
//! ```text
//! $ cargo run -p burn-patch-small --bin lora -- --weights tests/golden/checkpoints/hf_vit
//! 60394 parameters and 2304 of LoRA
//! with LoRA: accuracy 0.550
//! merged, 60394 parameters: accuracy 0.550
//! ```

use std::process::ExitCode;

use burn::module::{Lora, Module, ParamGroup};
use burn::tensor::Device;
use burn_patch_small::{Fashion, FineTuning};
use support::{Error, program, say};

fn run(args: &FineTuning) -> Result<(), Error> {
    let device = Device::flex();
    let fashion = Fashion::load(&args.training, &device)?;
    let vit = args.encoder(&device)?;

    let before = vit.num_params();
    let attention = ParamGroup::from_predicate(".attn.");
    let mut adapted = vit
        .clone()
        .apply_lora(Lora::new(4, 8.0).set_param_group(attention));
    adapted.head = vit.head;
    let added = adapted.num_params() - before;
    say(format_args!("{before} parameters and {added} of LoRA"));
    let adapted = fashion.train(adapted, |vit, images| vit.forward(images))?;
    let accuracy = fashion.accuracy(|images| adapted.forward(images));
    say(format_args!("with LoRA: accuracy {accuracy:.3}"));

    let merged = adapted.materialize();
    let (count, accuracy) = (
        merged.num_params(),
        fashion.accuracy(|images| merged.forward(images)),
    );
    say(format_args!(
        "merged, {count} parameters: accuracy {accuracy:.3}"
    ));
    Ok(())
}

fn main() -> ExitCode {
    program(run)
}
