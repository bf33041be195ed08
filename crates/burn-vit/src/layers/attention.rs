//! Self-attention with one projection.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Bool, Device, Tensor};
use burn_patch::ops::{AttentionOptions, KeyReach, Qkv, attention};

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
/// - tokens `[batch, tokens, dim]`, the same out
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
    /// Attends. `valid` (`[batch, tokens]`) marks the tokens that look at each other; the others attend to nothing.
    pub fn forward(&self, tokens: Tensor<3>, valid: Option<Tensor<2, Bool>>) -> Tensor<3> {
        let qkv = apply(&self.qkv, tokens);
        let reach = valid.map_or(KeyReach::All, KeyReach::Valid);
        let options = AttentionOptions::new(self.heads).with_reach(reach);
        apply(&self.proj, attention(Qkv::Fused(qkv), options))
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
    fn an_image_without_a_valid_token_gives_the_projection_of_zeros() {
        let device = Device::flex();
        let attention = AttentionConfig::new(8, 2).try_init(&device).unwrap();
        let tokens = Tensor::random([1, 3, 8], Distribution::Default, &device);
        let valid = Tensor::from_bool([[false, false, false]], &device);
        let got = attention.forward(tokens, Some(valid));
        let want = apply(&attention.proj, Tensor::zeros([1, 3, 8], &device));
        got.into_data().assert_eq(&want.into_data(), true);
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_an_error() {
        let error = AttentionConfig::new(64, 5)
            .try_init(&Device::flex())
            .unwrap_err();
        assert_eq!(error, Error::Heads { dim: 64, heads: 5 });
    }
}
