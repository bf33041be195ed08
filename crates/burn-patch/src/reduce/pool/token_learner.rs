//! TokenLearner 1.1.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::mlp::Mlp;
use crate::or_panic::OrPanic;
use crate::reduce::pool::layers::token_mlp;
use crate::reduce::pool::pooling::{pooled, softmax_over_places};
use crate::reduce::pool::token_pool::{TokenPool, expect_fit};
use crate::{Error, Tokens};

/// Configuration of [`TokenLearner`].
#[derive(Config, Debug)]
pub struct TokenLearnerConfig {
    /// Number of tokens that come out; the paper's models take 8 or 16.
    pub tokens: usize,
    /// Width of the tokens.
    pub dim: usize,
    /// Width between the two layers that give the weights.
    #[config(default = 64)]
    pub hidden: usize,
    /// Added to the variance in LayerNorm.
    #[config(default = 1e-6)]
    pub epsilon: f64,
}

/// TokenLearner 1.1: a small perceptron says how much each place gives to each token.
///
/// Ryoo et al., [TokenLearner](https://arxiv.org/abs/2106.11297); `scenic/projects/token_learner/model.py`
/// (`TokenLearnerModuleV11`). The version of the paper's experiments is [`TokenLearnerV1`](super::TokenLearnerV1).
///
/// # Shapes
///
/// - tokens `[batch, places, dim]`
/// - result `[batch, tokens, dim]`
///
/// # Equation
///
/// `zₛ = Σᵢ softmaxᵢ(MLP(LN(xᵢ))ₛ)·xᵢ`: the softmax is over the places, and the sum is of `x` itself, not normalised.
///
/// # Departures
///
/// The exact GELU; the reference's is flax's default, the tanh approximation. No dropout. The second layer has no
/// bias: one value per token, the same at all places, which the softmax over the places cancels. The prefix is not
/// summed; the reference has none.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::reduce::{TokenPool, TokenLearnerConfig};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 32).init(&device);
/// let learner = TokenLearnerConfig::new(8, 32).init(&device);
/// let tokens = learner.forward(embed.forward(Tensor::ones([2, 3, 16, 16], &device)));
/// assert_eq!(tokens.embeddings().dims(), [2, 8, 32]);
/// ```
#[derive(Module, Debug)]
pub struct TokenLearner {
    /// Before the perceptron, the reference's `LayerNorm_0`.
    pub norm: LayerNorm,
    /// Place to weights, by the reference's `Dense_0` and `Dense_1`.
    pub token_masking: Mlp,
}

impl TokenLearnerConfig {
    /// The usual settings.
    pub fn for_tokens(tokens: usize, dim: usize) -> Self {
        Self::new(tokens, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no tokens or a zero width.
    pub fn try_init(&self, device: &Device) -> Result<TokenLearner, Error> {
        nonzero(
            "tokens, dim and hidden",
            &[self.tokens, self.dim, self.hidden],
        )?;
        Ok(TokenLearner {
            norm: LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device),
            token_masking: token_mlp(self.dim, self.hidden, self.tokens)
                .with_last_bias(false)
                .init(device),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> TokenLearner {
        self.try_init(device).or_panic()
    }
}

impl TokenPool for TokenLearner {
    fn dim(&self) -> usize {
        self.norm.gamma.dims()[0]
    }

    fn tokens(&self) -> usize {
        self.token_masking.fc2.weight.dims()[1]
    }

    fn forward_with_weights(&self, tokens: Tokens) -> (Tokens, Tensor<3>) {
        expect_fit(self, &tokens);
        let places = tokens.patch_embeddings();
        let scores = self
            .token_masking
            .forward(self.norm.forward(places.clone()));
        let weights = softmax_over_places(scores.swap_dims(1, 2), &tokens);
        let embeddings = weights.clone().matmul(places);
        let prefix = tokens.prefix_embeddings();
        (pooled(&tokens, embeddings, prefix), weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_hidden_width_is_an_error() {
        let config = TokenLearnerConfig::new(8, 16).with_hidden(0);
        assert!(matches!(
            config.try_init(&Device::flex()),
            Err(Error::Zero { .. })
        ));
    }
}
