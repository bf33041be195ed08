use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Normalisation of the tokens after projection.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum PatchNorm {
    /// None.
    #[default]
    None,
    /// LayerNorm over the embedding.
    Layer {
        /// Added to the variance.
        epsilon: f64,
    },
}

impl PatchNorm {
    pub(super) fn init(&self, dim: usize, device: &Device) -> Option<LayerNorm> {
        match *self {
            Self::None => None,
            Self::Layer { epsilon } => {
                Some(LayerNormConfig::new(dim).with_epsilon(epsilon).init(device))
            }
        }
    }
}
