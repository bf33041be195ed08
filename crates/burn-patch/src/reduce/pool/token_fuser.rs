//! TokenFuser: from learned tokens back to places.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::{apply, linear};
use crate::layers::mlp::Mlp;
use crate::or_panic::OrPanic;
use crate::reduce::pool::layers::{sigmoid, token_mlp};
use crate::{Error, Tokens};

/// Configuration of [`TokenFuser`].
#[derive(Config, Debug)]
pub struct TokenFuserConfig {
    /// Number of learned tokens.
    pub tokens: usize,
    /// Width of the tokens.
    pub dim: usize,
    /// Width between the two layers that mix.
    #[config(default = 64)]
    pub hidden: usize,
    /// Added to the variance in LayerNorm.
    #[config(default = 1e-6)]
    pub epsilon: f64,
}

/// TokenFuser: maps learned tokens back onto the places that they were learned from.
///
/// Ryoo et al., [TokenLearner](https://arxiv.org/abs/2106.11297), section 2.2;
/// `scenic/projects/token_learner/model.py` (`TokenFuser` with its normalisations).
///
/// # Shapes
///
/// - learned `[batch, tokens, dim]`, original `[batch, places, dim]`
/// - result `[batch, places, dim]`
///
/// # Equation
///
/// `yᵢ = Σₛ σ(MLP(LN(xᵢ)))ₛ·LN(W·LN(z))ₛ`, where `W` (`[tokens, tokens]`) mixes the tokens, not their channels.
///
/// `W` starts at 0, so that a new fuser changes nothing.
///
/// # Departures
///
/// The exact GELU; the reference's is flax's default, the tanh approximation. No dropout. `W` has no bias: one value
/// per token, the same in all its channels, which the second `LN` cancels.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::reduce::{TokenPool, TokenFuserConfig, TokenLearnerConfig};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 32).init(&device);
/// let original = embed.forward(Tensor::ones([2, 3, 16, 16], &device));
/// let learned = TokenLearnerConfig::new(8, 32).init(&device).forward(original.clone());
/// let fused = TokenFuserConfig::new(8, 32).init(&device).forward(learned, original.clone());
/// fused.embeddings().into_data().assert_eq(&original.embeddings().into_data(), true);
/// ```
#[derive(Module, Debug)]
pub struct TokenFuser {
    /// Before the mixing of the learned tokens, the reference's `fuser_mix_norm1`.
    pub mix_norm1: LayerNorm,
    /// Mixes the learned tokens, `tokens → tokens`, the reference's `Dense_0`.
    pub mix: Linear,
    /// After it, the reference's `fuser_mix_norm2`.
    pub mix_norm2: LayerNorm,
    /// Before the perceptron, the reference's `LayerNorm_0`.
    pub norm: LayerNorm,
    /// Place to how much of each learned token it takes.
    pub token_masking: Mlp,
}

impl TokenFuserConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no tokens or a zero width.
    pub fn try_init(&self, device: &Device) -> Result<TokenFuser, Error> {
        nonzero(
            "tokens, dim and hidden",
            &[self.tokens, self.dim, self.hidden],
        )?;
        let norm = || {
            LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device)
        };
        Ok(TokenFuser {
            mix_norm1: norm(),
            mix: linear([self.tokens; 2], Initializer::Zeros, None, device),
            mix_norm2: norm(),
            norm: norm(),
            token_masking: token_mlp(self.dim, self.hidden, self.tokens).init(device),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> TokenFuser {
        self.try_init(device).or_panic()
    }
}

impl TokenFuser {
    /// `original` plus what the learned tokens give each of its places; the prefix is that of `learned`.
    ///
    /// # Panics
    ///
    /// If batch, width or the number of learned tokens differ.
    #[track_caller]
    pub fn forward(&self, learned: Tokens, original: Tokens) -> Tokens {
        let places = original.patch_embeddings();
        let fused = places.clone() + self.fuse(learned.patch_embeddings(), places);
        let prefix = [&learned, &original].map(Tokens::prefix);
        assert_eq!(prefix[0], prefix[1], "prefix of learned and original");
        original.map(|_| match learned.prefix_embeddings() {
            Some(prefix) => Tensor::cat(vec![prefix, fused], 1),
            None => fused,
        })
    }

    /// What the learned tokens `[batch, tokens, dim]` give each place of `original` (`[batch, places, dim]`).
    ///
    /// # Panics
    ///
    /// If batch, width or the number of learned tokens differ.
    #[track_caller]
    pub fn fuse(&self, learned: Tensor<3>, original: Tensor<3>) -> Tensor<3> {
        let [batch, _, dim] = original.dims();
        let tokens = self.mix.weight.dims()[0];
        assert_eq!(learned.dims(), [batch, tokens, dim], "learned tokens");
        let learned = self.mix_norm1.forward(learned).swap_dims(1, 2);
        let mixed = apply(&self.mix, learned).swap_dims(1, 2);
        let mixed = self.mix_norm2.forward(mixed);
        let places = self.norm.forward(original);
        sigmoid(self.token_masking.forward(places)).matmul(mixed)
    }
}
