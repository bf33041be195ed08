//! What stands between and behind the convolutions of a stem.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::ops::gelu;

/// What stands between the steps of a stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StemActivation {
    /// `x·min(max(x + 3, 0), 6)/6`, as in LeViT.
    Hardswish,
    /// `max(x, 0)`, as in ViT-C.
    Relu,
    /// The exact GELU.
    Gelu,
}

impl StemActivation {
    pub(crate) fn apply(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            // Burn's `hard_swish` goes through f32, which spoils f64.
            Self::Hardswish => (x.clone() + 3.0).clamp(0.0, 6.0) * x / 6.0,
            Self::Relu => burn::tensor::activation::relu(x),
            Self::Gelu => gelu(x),
        }
    }
}

/// How a stem ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StemEnd {
    /// With the norm of the last step: activations between steps alone (LeViT).
    Norm,
    /// With a 1×1 convolution to `dim`, bias included, and an activation after every step before it (ViT-C).
    Projection {
        /// Width of the embeddings.
        dim: usize,
    },
}
