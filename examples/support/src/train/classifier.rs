//! The training step of the ViT.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::train::{InferenceStep, TrainOutput, TrainStep};
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
    fn output(&self, batch: Batch, smoothing: Option<f32>) -> StepOutput {
        let [pictures] = batch.labels.dims();
        let logits = self.vit.forward(batch.images);
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

    fn step(&self, batch: Batch) -> TrainOutput<StepOutput> {
        let output = self.output(batch, Some(SMOOTHING));
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        self.output(batch, None)
    }
}
