//! What follows a projection.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};

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
    /// LayerNorm with PyTorch's epsilon.
    pub const LAYER: Self = Self::Layer { epsilon: 1e-5 };

    pub(crate) fn init(&self, dim: usize, device: &Device) -> Option<LayerNorm> {
        match *self {
            Self::None => None,
            Self::Layer { epsilon } => {
                let config = LayerNormConfig::new(dim).with_epsilon(epsilon);
                Some(config.init(device))
            }
        }
    }
}

/// The tokens through `norm`, if there is one.
pub(crate) fn normed(norm: &Option<LayerNorm>, tokens: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(tokens),
        None => tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::PatchNorm;
    use crate::embed::linear::LinearPatchEmbedConfig;
    use crate::embed::overlap::OverlapPatchEmbedConfig;
    use crate::embed::patch_embed::PatchEmbed;
    use crate::embed::tubelet::tubelet::TubeletPatchEmbedConfig;
    use crate::layers::layer_norm::LayerNorm;
    use burn::tensor::{Device, Distribution, Tensor, Tolerance};

    const NORM: PatchNorm = PatchNorm::Layer { epsilon: 0.5 };

    fn assert_norm(normed: impl PatchEmbed, norm: Option<LayerNorm>, plain: impl PatchEmbed) {
        let images = Tensor::random([2, 3, 8, 12], Distribution::Default, &Device::flex());
        let tokens = plain.forward(images.clone()).into_embeddings();
        let norm = norm.expect("a norm");
        assert_eq!(norm.epsilon, 0.5);
        let want = norm.forward(tokens).into_data();
        let got = normed.forward(images).into_embeddings().into_data();
        got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-4, 1e-5));
    }

    #[test]
    fn tokens_are_normalised_with_the_configs_epsilon() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8);
        let embed = embed.with_norm(NORM).init(&device);
        let mut plain = embed.clone();
        assert_norm(embed, plain.norm.take(), plain);
        let embed = OverlapPatchEmbedConfig::new([7, 7], [4, 4], 3, 8);
        let embed = embed.with_norm(NORM).init(&device);
        let mut plain = embed.clone();
        assert_norm(embed, plain.norm.take(), plain);
        let embed = TubeletPatchEmbedConfig::new([2, 4, 4], 3, 8);
        let embed = embed.with_norm(NORM).init(&device);
        let mut plain = embed.clone();
        assert_norm(embed, plain.norm.take(), plain);
    }
}
