//! The training step of the MAE.

use burn::module::Module;
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Mae;

use crate::train::batch::Batch;
use crate::train::loss_output::LossOutput;

/// The MAE as burn-train trains it.
#[derive(Module, Debug)]
pub struct Pretrainer {
    /// The model.
    pub mae: Mae<AnyPatchEmbed>,
}

impl TrainStep for Pretrainer {
    type Input = Batch;
    type Output = LossOutput;

    fn step(&self, batch: Batch) -> TrainOutput<LossOutput> {
        let loss = self.mae.forward(batch.images, &batch.noise).loss;
        TrainOutput::new(self, loss.backward(), LossOutput { loss })
    }
}

impl InferenceStep for Pretrainer {
    type Input = Batch;
    type Output = LossOutput;

    fn step(&self, batch: Batch) -> LossOutput {
        LossOutput {
            loss: self.mae.forward(batch.images, &batch.noise).loss,
        }
    }
}
