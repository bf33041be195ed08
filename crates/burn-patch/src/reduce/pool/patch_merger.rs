//! PatchMerger.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::or_panic::OrPanic;
use crate::reduce::pool::pooling::{pooled, score, softmax_over_places};
use crate::reduce::pool::token_pool::{TokenPool, expect_fit};
use crate::{Error, Tokens};

/// Configuration of [`PatchMerger`].
#[derive(Config, Debug)]
pub struct PatchMergerConfig {
    /// Number of tokens that come out.
    pub tokens: usize,
    /// Width of the tokens.
    pub dim: usize,
    /// Added to the variance in LayerNorm.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

/// Merges all patches into a fixed number of tokens by learned queries, between two blocks of an encoder.
///
/// Renggli et al., [Learning to Merge Tokens in Vision Transformers](https://arxiv.org/abs/2202.12015), section 3;
/// `vit_pytorch/vit_with_patch_merger.py` (`PatchMerger`) of vit-pytorch 1.26, whose names these are. The paper
/// puts one with 8 tokens in the middle of the encoder.
///
/// # Shapes
///
/// - tokens `[batch, tokens in, dim]`
/// - result `[batch, tokens out, dim]`
///
/// # Equation
///
/// `softmax(Q·LN(X)ᵀ/√dim)·LN(X)`, the softmax over the places. Queries start at `N(0, 1)`.
///
/// # Departures
///
/// The reference merges the class token with the patches; here the prefix stays in front.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::reduce::{PatchMergerConfig, TokenPool};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 32).init(&device);
/// let merger = PatchMergerConfig::new(8, 32).init(&device);
/// let (merged, weights) = merger.forward_with_weights(embed.forward(Tensor::ones([2, 3, 16, 16], &device)));
/// assert_eq!(merged.embeddings().dims(), [2, 8, 32]);
/// assert_eq!(weights.dims(), [2, 8, 16]);
/// ```
#[derive(Module, Debug)]
pub struct PatchMerger {
    /// The queries, `[tokens, dim]`.
    pub queries: Param<Tensor<2>>,
    /// Before scores and sums.
    pub norm: LayerNorm,
}

impl PatchMergerConfig {
    /// The usual settings.
    pub fn for_tokens(tokens: usize, dim: usize) -> Self {
        Self::new(tokens, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no tokens or a zero width.
    pub fn try_init(&self, device: &Device) -> Result<PatchMerger, Error> {
        nonzero("tokens and dim", &[self.tokens, self.dim])?;
        let queries = Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        };
        Ok(PatchMerger {
            queries: queries.init([self.tokens, self.dim], device),
            norm: LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> PatchMerger {
        self.try_init(device).or_panic()
    }
}

impl TokenPool for PatchMerger {
    fn dim(&self) -> usize {
        self.queries.dims()[1]
    }

    fn tokens(&self) -> usize {
        self.queries.dims()[0]
    }

    fn forward_with_weights(&self, tokens: Tokens) -> (Tokens, Tensor<3>) {
        expect_fit(self, &tokens);
        let places = self.norm.forward(tokens.patch_embeddings());
        let scale = (self.dim() as f64).powf(-0.5);
        let scores = score(places.clone(), self.queries.val()) * scale;
        let weights = softmax_over_places(scores, &tokens);
        let embeddings = weights.clone().matmul(places);
        let prefix = tokens.prefix_embeddings();
        (pooled(&tokens, embeddings, prefix), weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tokens_are_an_error() {
        let error = PatchMergerConfig::new(0, 3).try_init(&Device::flex());
        assert!(matches!(error, Err(Error::Zero { .. })));
    }
}
