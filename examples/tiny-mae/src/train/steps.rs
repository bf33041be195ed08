//! What a training step does with a batch: the MAE and the classifier as burn-train wants them.

use std::sync::Arc;

use burn::backend::ExecutionError;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Tensor};
use burn::train::metric::{Adaptor, ItemLazy, LossInput};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::{Mae, Vit};

use super::{Batch, PictureBatcher};
use crate::data::Pictures;

/// Label smoothing of the classifiers while they train.
const SMOOTHING: f32 = 0.1;
/// Pictures per step where no gradient is kept.
pub const TEST_BATCH: usize = 250;

/// The MAE as burn-train trains it.
#[derive(Module, Debug)]
pub(crate) struct Pretrainer {
    pub(crate) mae: Mae<AnyPatchEmbed>,
}

/// A loss and nothing else.
pub(crate) struct LossOutput {
    loss: Tensor<1>,
}

impl ItemLazy for LossOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        self.loss.device().flush()?;
        Ok(Self {
            loss: self.loss.without_autodiff(),
        })
    }
}

impl Adaptor<LossInput> for LossOutput {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.loss.clone())
    }
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

/// The ViT as burn-train trains it.
#[derive(Module, Debug)]
pub struct Classifier {
    /// The model.
    pub vit: Vit<AnyPatchEmbed>,
}

impl Classifier {
    fn output(&self, batch: Batch, smoothing: Option<f32>) -> ClassificationOutput {
        let logits = self.vit.forward(batch.images);
        let loss = CrossEntropyLossConfig::new()
            .with_smoothing(smoothing)
            .init(&logits.device())
            .forward(logits.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, logits, batch.labels)
    }
}

impl TrainStep for Classifier {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.output(batch, Some(SMOOTHING));
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Classifier {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.output(batch, None)
    }
}

/// Share of the pictures that the model names rightly.
pub fn accuracy(vit: &Vit<AnyPatchEmbed>, pictures: &Arc<Pictures>, device: &Device) -> f64 {
    let batcher = PictureBatcher::new(pictures.clone(), 0, false, 0);
    let all: Vec<usize> = (0..pictures.len()).collect();
    let right: i64 = all
        .chunks(TEST_BATCH)
        .map(|indices| {
            let batch = batcher.collect(indices, device);
            let named = vit.forward(batch.images).argmax(1).squeeze_dim(1);
            named.equal(batch.labels).int().sum().into_scalar::<i64>()
        })
        .sum();
    right as f64 / all.len() as f64
}
