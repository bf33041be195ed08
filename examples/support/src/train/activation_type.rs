//! What a training step is computed in.

use burn::tensor::{DType, Device, FloatDType};
use clap::ValueEnum;

use crate::error::Error;

/// The type of activations and their gradients while training. Parameters, the optimizer's moments, what a batch norm
/// counts, and every evaluation stay in single precision.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ActivationType {
    /// Single precision
    #[default]
    F32,
    /// Half the bits of f32, with its range
    Bf16,
    /// Half the bits of f32, with more digits and less range than bf16; gradients are scaled while they are computed
    F16,
}

impl ActivationType {
    /// What the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Whether the device of the backend called `backend` computes in it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchType`] if it does not.
    pub fn check(self, device: &Device, backend: &str) -> Result<(), Error> {
        match device.supports_dtype(self.dtype()) {
            true => Ok(()),
            false => Err(Error::NoSuchType {
                backend: backend.to_owned(),
                dtype: self.name(),
            }),
        }
    }

    pub(crate) fn dtype(self) -> DType {
        self.float().into()
    }

    pub(crate) fn float(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
            Self::F16 => FloatDType::F16,
        }
    }

    /// What the loss is multiplied by before its gradients are computed: the smallest number of f16 is 6·10⁻⁸, and a
    /// mean over pictures and tokens leaves many gradients below it.
    pub(crate) fn loss_scale(self) -> f64 {
        match self {
            Self::F16 => 1024.0,
            Self::F32 | Self::Bf16 => 1.0,
        }
    }
}
