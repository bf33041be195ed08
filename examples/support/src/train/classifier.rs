//! The training step of the ViT.

use burn::module::Module;
use burn::tensor::FloatDType;
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use burn_patch::Noise;
use burn_patch::embed::AnyPatchEmbed;
use burn_patch::ops::cross_entropy;
use burn_vit::Vit;

use crate::train::activation_type::ActivationType;
use crate::train::batch::Batch;
use crate::train::mixed_step::mixed_step;
use crate::train::step_output::StepOutput;

/// Label smoothing while training.
const SMOOTHING: f64 = 0.1;

/// The ViT as burn-train trains it.
#[derive(Module, Debug)]
pub struct Classifier {
    /// The model.
    pub vit: Vit<AnyPatchEmbed>,
    #[module(skip)]
    activations: ActivationType,
}

impl Classifier {
    /// That of a model, in single precision.
    pub fn new(vit: Vit<AnyPatchEmbed>) -> Self {
        Self {
            vit,
            activations: ActivationType::F32,
        }
    }

    /// With training steps in `activations`.
    #[must_use]
    pub fn with_activations(mut self, activations: ActivationType) -> Self {
        self.activations = activations;
        self
    }

    fn output(&self, batch: Batch, noise: Noise<'_>, smoothing: f64) -> StepOutput {
        let [pictures] = batch.labels.dims();
        let logits = self.vit.forward_with(batch.images, noise);
        let logits = logits.cast(FloatDType::F32);
        let loss = cross_entropy(logits.clone(), batch.labels.clone(), smoothing);
        let named = logits.argmax(1).squeeze_dim(1);
        StepOutput {
            loss,
            right: Some(named.equal(batch.labels).int().sum()),
            pictures,
        }
    }
}

impl TrainStep for Classifier {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, mut batch: Batch) -> TrainOutput<StepOutput> {
        let noise = core::mem::take(&mut batch.noise);
        batch.images = batch.images.cast(self.activations.float());
        mixed_step(self, self.activations, |model| {
            model.output(batch, Noise::from(&noise), SMOOTHING)
        })
    }
}

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        self.output(batch, Noise::None, 0.0)
    }
}
