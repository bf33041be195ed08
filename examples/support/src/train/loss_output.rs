//! A loss as burn-train's metrics take it.

use burn::backend::ExecutionError;
use burn::tensor::Tensor;
use burn::train::metric::{Adaptor, ItemLazy, LossInput};

/// A loss and nothing else.
pub struct LossOutput {
    pub(crate) loss: Tensor<1>,
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
