//! The training step of the ViT.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use burn_patch::Noise;
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Vit;

use crate::train::batch::Batch;
use crate::train::step_output::StepOutput;

/// Label smoothing while training.
const SMOOTHING: f32 = 0.1;

/// The ViT as burn-train trains it.
#[derive(Module, Debug)]
pub struct Classifier {
    /// The model.
    pub vit: Vit<AnyPatchEmbed>,
}

impl Classifier {
    fn output(&self, batch: Batch, noise: Noise<'_>, smoothing: Option<f32>) -> StepOutput {
        let [pictures] = batch.labels.dims();
        let logits = self.vit.forward_with(batch.images, noise);
        let loss = CrossEntropyLossConfig::new()
            .with_smoothing(smoothing)
            .init(&logits.device())
            .forward(logits.clone(), batch.labels.clone());
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
        let output = self.output(batch, Noise::from(&noise), Some(SMOOTHING));
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        self.output(batch, Noise::None, None)
    }
}
