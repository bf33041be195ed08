//! What a step leaves for the metrics.

use burn::backend::ExecutionError;
use burn::tensor::{Int, Tensor};
use burn::train::ItemLazy;
use burn::train::metric::Adaptor;

/// The loss of a batch and how many of its pictures were named rightly.
pub struct StepOutput {
    /// Mean over the batch, `[1]`.
    pub loss: Tensor<1>,
    /// How many were named rightly, `[1]`; none where nothing is named.
    pub right: Option<Tensor<1, Int>>,
    /// Pictures in the batch.
    pub pictures: usize,
}

/// What the loss metric takes.
pub(crate) struct BatchLoss {
    pub(crate) loss: Tensor<1>,
    pub(crate) pictures: usize,
}

/// What the accuracy metric takes.
pub(crate) struct BatchRight {
    pub(crate) right: Option<Tensor<1, Int>>,
    pub(crate) pictures: usize,
}

impl ItemLazy for StepOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        self.loss.device().flush()?;
        Ok(Self {
            loss: self.loss.without_autodiff(),
            right: self.right.map(Tensor::without_autodiff),
            pictures: self.pictures,
        })
    }
}

impl Adaptor<BatchLoss> for StepOutput {
    fn adapt(&self) -> BatchLoss {
        BatchLoss {
            loss: self.loss.clone(),
            pictures: self.pictures,
        }
    }
}

impl Adaptor<BatchRight> for StepOutput {
    fn adapt(&self) -> BatchRight {
        BatchRight {
            right: self.right.clone(),
            pictures: self.pictures,
        }
    }
}
