//! Pooling by a trained query.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::layers::{
    Activation, LayerNorm, LayerNormConfig, Mlp, MlpConfig, XAVIER, apply, linear,
};
use burn_patch::ops::{AttentionOptions, Qkv, attention, dequantized};

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
    /// What stands in the MLP; none: the exact GELU.
    pub activation: Option<Activation>,
    /// Width in the MLP, in place of `mlp_ratio`.
    pub hidden: Option<usize>,
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
        let hidden = self.hidden.unwrap_or(hidden);
        Ok(AttentionPool {
            latent: latent.init([1, 1, self.dim], device),
            q: linear(self.dim),
            kv: linear(2 * self.dim),
            proj: linear(self.dim),
            norm: LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device),
            mlp: MlpConfig::new(self.dim, hidden)
                .with_activation(self.activation)
                .init(device),
            heads: self.heads,
        })
    }
}

impl AttentionPool {
    /// Pools all tokens, the prefix included; one that stands for several patches weighs as much as that many.
    pub fn forward(&self, tokens: &Tokens) -> Tensor<2> {
        let [batch, dim] = [tokens.batch(), tokens.dim()];
        let query = apply(&self.q, dequantized(self.latent.val())).expand([batch, 1, dim]);
        let kv = apply(&self.kv, tokens.embeddings());
        let [key, value] = [kv.clone().slice_dim(2, ..dim), kv.slice_dim(2, dim..)];
        let qkv = Qkv::Apart { query, key, value };
        let options = AttentionOptions::new(self.heads)
            .with_key_bias(tokens.log_sizes())
            .with_reach(tokens.reach_with_prefix());
        let pooled = apply(&self.proj, attention(qkv, options));
        let pooled = pooled.clone() + self.mlp.forward(self.norm.forward(pooled));
        pooled.squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::softmax;
    use burn::tensor::{Distribution, Tolerance};
    use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};

    /// A class token and six patch tokens.
    fn tokens(device: &Device) -> Tokens {
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(device);
        let images = Tensor::random([2, 1, 8, 12], Distribution::Default, device);
        let class = Tensor::random([1, 1, 8], Distribution::Default, device);
        embed.forward(images).with_prefix(class)
    }

    fn formula(pool: &AttentionPool, tokens: Tensor<3>) -> Tensor<2> {
        let [batch, _, dim] = tokens.dims();
        let width = dim / pool.heads;
        let by_head = |x: Tensor<3>| {
            let count = x.dims()[1];
            x.reshape([batch, count, pool.heads, width]).swap_dims(1, 2)
        };
        let query = pool.q.forward(pool.latent.val()).expand([batch, 1, dim]);
        let kv = pool.kv.forward(tokens);
        let [key, value] = [kv.clone().slice_dim(2, ..dim), kv.slice_dim(2, dim..)].map(by_head);
        let scores = by_head(query).matmul(key.transpose()) * (width as f64).powf(-0.5);
        let mixed = softmax(scores, 3).matmul(value).swap_dims(1, 2);
        let y = pool.proj.forward(mixed.reshape([batch, 1, dim]));
        (y.clone() + pool.mlp.forward(pool.norm.forward(y))).squeeze_dim(1)
    }

    fn assert_close(got: Tensor<2>, want: Tensor<2>) {
        let want = want.into_data();
        got.into_data()
            .assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn it_is_a_softmax_over_prefix_and_patches() {
        let device = Device::flex();
        let pool = AttentionPoolConfig::new(8, 2).try_init(&device).unwrap();
        let tokens = tokens(&device);
        assert_close(pool.forward(&tokens), formula(&pool, tokens.embeddings()));
    }

    #[test]
    fn padding_is_not_seen_whatever_it_holds() {
        let device = Device::flex();
        let pool = AttentionPoolConfig::new(8, 2).try_init(&device).unwrap();
        let all = tokens(&device);
        let kept = all.embeddings().slice_dim(1, ..5);
        let lost = Tensor::full([2, 2, 8], f32::NAN, &device);
        let valid = Tensor::from_bool([[true, true, true, true, false, false]; 2], &device);
        let padded = all
            .map(|_| Tensor::cat(vec![kept.clone(), lost], 1))
            .with_valid(valid);
        assert_close(pool.forward(&padded), formula(&pool, kept));
    }

    #[test]
    fn a_token_of_size_two_weighs_as_much_as_two() {
        let device = Device::flex();
        let pool = AttentionPoolConfig::new(8, 2).try_init(&device).unwrap();
        let all = tokens(&device);
        let twice = Tensor::from_ints([[0, 1, 2, 3, 4, 4]; 2], &device);
        let once = Tensor::from_ints([[0, 1, 2, 3, 4]; 2], &device);
        let sizes = Tensor::from_floats([[1.0, 1.0, 1.0, 1.0, 2.0]; 2], &device);
        let merged = all.clone().select(once).with_sizes(sizes);
        assert_close(pool.forward(&merged), pool.forward(&all.select(twice)));
    }
}
