//! The training step of the MAE.

use burn::module::Module;
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Mae;

use crate::train::activation_type::ActivationType;
use crate::train::batch::Batch;
use crate::train::mixed_step::mixed_step;
use crate::train::step_output::StepOutput;

/// The MAE as burn-train trains it.
#[derive(Module, Debug)]
pub struct Pretrainer {
    /// The model.
    pub mae: Mae<AnyPatchEmbed>,
    #[module(skip)]
    activations: ActivationType,
}

impl Pretrainer {
    /// That of a model, with training steps in `activations`.
    pub fn new(mae: Mae<AnyPatchEmbed>, activations: ActivationType) -> Self {
        Self { mae, activations }
    }

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

    fn step(&self, mut batch: Batch) -> TrainOutput<StepOutput> {
        batch.images = batch.images.cast(self.activations.float());
        mixed_step(self, self.activations, |model| model.output(batch))
    }
}

impl InferenceStep for Pretrainer {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        self.output(batch)
    }
}
