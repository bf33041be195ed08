use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor};
use burn_patch::ops::attention;

use super::{apply, linear};
use crate::Error;

/// Configuration of [`Attention`].
#[derive(Config, Debug)]
pub struct AttentionConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Number of heads; divides `dim`.
    pub heads: usize,
    /// Initialiser of the weights; biases start at 0.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub initializer: Initializer,
}

/// Multi-head self-attention with one fused projection for query, key and value.
///
/// Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), eq. 1;
/// `timm/models/vision_transformer.py` (`Attention`), whose `qkv` and `proj` these are.
///
/// # Shapes
///
/// - tokens `[batch, tokens, dim]`; output: the same shape
///
/// # Equation
///
/// `softmax(Q·Kᵀ/√(dim/heads))·V`, heads side by side, then `proj`.
#[derive(Module, Debug)]
pub struct Attention {
    /// Query, key and value, `dim → 3·dim`.
    pub qkv: Linear,
    /// Output projection.
    pub proj: Linear,
    heads: usize,
}

impl AttentionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Heads`] if the heads do not divide the width.
    pub fn try_init(&self, device: &Device) -> Result<Attention, Error> {
        if self.heads == 0 || !self.dim.is_multiple_of(self.heads) {
            return Err(Error::Heads {
                dim: self.dim,
                heads: self.heads,
            });
        }
        Ok(Attention {
            qkv: linear(self.dim, 3 * self.dim, &self.initializer, device),
            proj: linear(self.dim, self.dim, &self.initializer, device),
            heads: self.heads,
        })
    }
}

impl Attention {
    /// Attends. `valid` (`[batch, tokens]`) marks the tokens that others may look at.
    pub fn forward(&self, tokens: Tensor<3>, valid: Option<Tensor<2, Bool>>) -> Tensor<3> {
        let qkv = apply(&self.qkv, tokens);
        let context = match valid {
            None => attention(qkv, self.heads),
            Some(valid) => self.attend_valid(qkv, valid),
        };
        apply(&self.proj, context)
    }

    /// Attention that keeps off padding, which ragged batches need.
    fn attend_valid(&self, qkv: Tensor<3>, valid: Tensor<2, Bool>) -> Tensor<3> {
        let [batch, count, values] = qkv.dims();
        let dim = values / 3;
        let head = dim / self.heads;
        // [batch, tokens, 3·dim] → 3 × [batch, heads, tokens, head]
        let qkv = qkv
            .reshape([batch, count, 3, self.heads, head])
            .permute([2, 0, 3, 1, 4]);
        let part = |index: usize| {
            qkv.clone()
                .slice_dim(0, index..index + 1)
                .squeeze_dim::<4>(0)
        };
        let (query, key, value) = (part(0), part(1), part(2));
        let scores = (query * (head as f64).powf(-0.5)).matmul(key.transpose());
        let hidden = valid.bool_not().reshape([batch, 1, 1, count]);
        let scores = scores.mask_fill(
            hidden.expand([batch, self.heads, count, count]),
            f32::NEG_INFINITY,
        );
        let context = softmax(scores, 3).matmul(value);
        context.swap_dims(1, 2).reshape([batch, count, dim])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn padding_does_not_leak() {
        let device = Device::flex();
        let attention = AttentionConfig::new(8, 2).try_init(&device).unwrap();
        let short = Tensor::random([1, 3, 8], Distribution::Default, &device);
        let noise = Tensor::random([1, 2, 8], Distribution::Default, &device);
        let padded = Tensor::cat(vec![short.clone(), noise], 1);
        let valid = Tensor::from_bool([[true, true, true, false, false]], &device);
        let with = attention.forward(padded, Some(valid)).slice_dim(1, ..3);
        let without = attention.forward(short, None);
        with.into_data()
            .assert_approx_eq(&without.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_an_error() {
        let error = AttentionConfig::new(64, 5)
            .try_init(&Device::flex())
            .unwrap_err();
        assert_eq!(error, Error::Heads { dim: 64, heads: 5 });
    }
}
