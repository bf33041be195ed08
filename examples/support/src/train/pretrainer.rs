//! The training step of the MAE.

use burn::module::Module;
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Mae;

use crate::train::batch::Batch;
use crate::train::step_output::StepOutput;

/// The MAE as burn-train trains it.
#[derive(Module, Debug)]
pub struct Pretrainer {
    /// The model.
    pub mae: Mae<AnyPatchEmbed>,
}

impl Pretrainer {
    fn output(&self, batch: Batch) -> StepOutput {
        let [pictures] = batch.labels.dims();
        StepOutput {
            loss: self.mae.forward(batch.images, &batch.noise).loss,
            right: None,
            pictures,
        }
    }
}

impl TrainStep for Pretrainer {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> TrainOutput<StepOutput> {
        let output = self.output(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Pretrainer {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        self.output(batch)
    }
}
