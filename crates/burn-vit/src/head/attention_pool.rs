//! Pooling by a trained query.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::layers::{LayerNorm, LayerNormConfig, Mlp, MlpConfig, XAVIER, apply, linear};
use burn_patch::ops::{AttentionOptions, Qkv, attention};

use crate::Error;
use crate::layers::check_heads;

/// Configuration of [`AttentionPool`].
#[derive(Config, Debug)]
pub struct AttentionPoolConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Number of heads; divides `dim`.
    pub heads: usize,
    /// Width of the MLP over `dim`.
    #[config(default = 4.0)]
    pub mlp_ratio: f64,
    /// Added to the variance in LayerNorm.
    #[config(default = 1e-6)]
    pub epsilon: f64,
}

/// One trained query attends to all tokens; a perceptron follows.
///
/// Zhai et al., [Scaling Vision Transformers](https://arxiv.org/abs/2106.04560), section 3.4 (multi-head attention
/// pooling); `AttentionPoolLatent` in `timm/layers/attention_pool.py` of timm 1.0.31, whose names these are.
///
/// # Shapes
///
/// - tokens `[batch, prefix + tokens, dim]`; padding is not seen
/// - features `[batch, dim]`
///
/// # Equation
///
/// `y = proj(attention(q(latent), kv(tokens)))`, then `y + mlp(norm(y))`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_vit::AttentionPoolConfig;
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let pool = AttentionPoolConfig::new(8, 2).try_init(&device).unwrap();
/// let features = pool.forward(&embed.forward(Tensor::zeros([3, 1, 8, 12], &device)));
/// assert_eq!(features.dims(), [3, 8]);
/// ```
#[derive(Module, Debug)]
pub struct AttentionPool {
    /// The query, `[1, 1, dim]`.
    pub latent: Param<Tensor<3>>,
    /// Query projection.
    pub q: Linear,
    /// Key and value projections side by side, `dim → 2·dim`.
    pub kv: Linear,
    /// Output projection.
    pub proj: Linear,
    /// Before the MLP.
    pub norm: LayerNorm,
    /// MLP.
    pub mlp: Mlp,
    heads: usize,
}

impl AttentionPoolConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Heads`] if the heads do not divide the width.
    pub fn try_init(&self, device: &Device) -> Result<AttentionPool, Error> {
        check_heads(self.dim, self.heads)?;
        let linear = |output| linear([self.dim, output], XAVIER, Some(Initializer::Zeros), device);
        let latent = Initializer::Normal {
            mean: 0.0,
            std: (self.dim as f64).powf(-0.5),
        };
        let hidden = (self.dim as f64 * self.mlp_ratio) as usize;
        Ok(AttentionPool {
            latent: latent.init([1, 1, self.dim], device),
            q: linear(self.dim),
            kv: linear(2 * self.dim),
            proj: linear(self.dim),
            norm: LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device),
            mlp: MlpConfig::new(self.dim, hidden).init(device),
            heads: self.heads,
        })
    }
}

impl AttentionPool {
    /// Pools all tokens, the prefix included.
    pub fn forward(&self, tokens: &Tokens) -> Tensor<2> {
        let [batch, dim] = [tokens.batch(), tokens.dim()];
        let query = apply(&self.q, self.latent.val()).expand([batch, 1, dim]);
        let kv = apply(&self.kv, tokens.embeddings());
        let [key, value] = [kv.clone().slice_dim(2, ..dim), kv.slice_dim(2, dim..)];
        let qkv = Qkv::Apart { query, key, value };
        let options = AttentionOptions::new(self.heads).with_reach(tokens.reach_with_prefix());
        let pooled = apply(&self.proj, attention(qkv, options));
        let pooled = pooled.clone() + self.mlp.forward(self.norm.forward(pooled));
        pooled.squeeze_dim(1)
    }
}
