//! Self-attention of a block.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_patch::layers::{XAVIER, apply, linear};
use burn_patch::ops::{AttentionOptions, Qkv, attention};
use burn_patch::reduce::{Seen, Sees};
use burn_patch::tokens::{Attend, Reach, Rotation};

use crate::Error;

/// Configuration of [`Attention`].
#[derive(Config, Debug)]
pub struct AttentionConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Number of heads; divides `dim`.
    pub heads: usize,
    /// Initialiser of the weights; biases start at 0.
    #[config(default = "XAVIER")]
    pub initializer: Initializer,
}

/// Multi-head self-attention with one fused projection for query, key and value.
///
/// Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), eq. 1;
/// `timm/models/vision_transformer.py` (`Attention`), whose `qkv` and `proj` these are.
///
/// # Shapes
///
/// - input and output: tokens `[batch, tokens, dim]`
///
/// # Equation
///
/// `softmax(Q·Kᵀ/√(dim/heads) + bias)·V`, heads side by side, then `proj`. Bias and rotation of queries and keys come
/// from [`Attend`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::tokens::{Attend, Reach};
/// use burn_vit::layers::AttentionConfig;
///
/// let device = Device::flex();
/// let attn = AttentionConfig::new(8, 2).try_init(&device).unwrap();
/// let tokens = Tensor::zeros([1, 5, 8], &device);
/// assert_eq!(attn.forward(tokens, &Attend::default(), Reach::All).dims(), [1, 5, 8]);
/// ```
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
        check_heads(self.dim, self.heads)?;
        let linear = |output| {
            let zeros = Some(Initializer::Zeros);
            linear([self.dim, output], self.initializer.clone(), zeros, device)
        };
        Ok(Attention {
            qkv: linear(3 * self.dim),
            proj: linear(self.dim),
            heads: self.heads,
        })
    }
}

/// Refuses heads that do not divide the width.
pub(crate) fn check_heads(dim: usize, heads: usize) -> Result<(), Error> {
    if heads == 0 || !dim.is_multiple_of(heads) {
        return Err(Error::Heads { dim, heads });
    }
    Ok(())
}

impl Attention {
    /// Attends. `reach` and what [`Attend`] holds speak of all tokens, the prefix included.
    ///
    /// # Panics
    ///
    /// If a shape does not fit.
    pub fn forward(&self, tokens: Tensor<3>, attend: &Attend, reach: Reach) -> Tensor<3> {
        self.forward_seen(tokens, attend, reach, Sees::Tokens, 0).0
    }

    /// As [`forward`](Self::forward), with what a reducer asks to see of it behind `prefix` tokens.
    pub(crate) fn forward_seen(
        &self,
        tokens: Tensor<3>,
        attend: &Attend,
        reach: Reach,
        sees: Sees,
        prefix: usize,
    ) -> (Tensor<3>, Seen) {
        let qkv = apply(&self.qkv, tokens);
        let seen = self.seen(&qkv, sees, prefix);
        let qkv = match &attend.rotation {
            None => Qkv::Fused(qkv),
            Some(rotation) => self.rotated(qkv, rotation),
        };
        let options = AttentionOptions::new(self.heads)
            .with_bias(attend.bias.clone())
            .with_key_bias(attend.key_bias.clone())
            .with_reach(reach);
        (apply(&self.proj, attention(qkv, options)), seen)
    }

    fn rotated(&self, qkv: Tensor<3>, rotation: &Rotation) -> Qkv {
        Qkv::Apart {
            query: rotation.apply(part(&qkv, 0), self.heads),
            key: rotation.apply(part(&qkv, 1), self.heads),
            value: part(&qkv, 2),
        }
    }

    fn seen(&self, qkv: &Tensor<3>, sees: Sees, prefix: usize) -> Seen {
        let [batch, count, values] = qkv.dims();
        let dim = values / 3;
        let width = dim / self.heads;
        let by_head = |index: usize| part(qkv, index).reshape([batch, count, self.heads, width]);
        match sees {
            Sees::Tokens => Seen::Tokens,
            Sees::Keys => {
                let keys = by_head(1).mean_dim(2).squeeze_dim::<3>(2);
                Seen::Keys(keys.slice_dim(1, prefix..))
            }
            Sees::ClassScores => {
                let query = by_head(0).slice_dim(1, 0..1).swap_dims(1, 2);
                let keys = by_head(1).swap_dims(1, 2);
                let scores = query.matmul(keys.transpose()) * (width as f64).powf(-0.5);
                let weights = softmax(scores, 3).mean_dim(1).reshape([batch, count]);
                Seen::ClassScores(weights.slice_dim(1, prefix..))
            }
        }
    }
}

/// Query (0), key (1) or value (2), `[batch, tokens, dim]`.
fn part(qkv: &Tensor<3>, index: usize) -> Tensor<3> {
    let dim = qkv.dims()[2] / 3;
    qkv.clone().slice_dim(2, index * dim..(index + 1) * dim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    fn tolerance() -> Tolerance<f32> {
        Tolerance::rel_abs(1e-5, 1e-6)
    }

    fn attn(device: &Device) -> Attention {
        AttentionConfig::new(8, 2).try_init(device).unwrap()
    }

    #[test]
    fn padding_does_not_leak() {
        let device = Device::flex();
        let attention = attn(&device);
        let short = Tensor::random([1, 3, 8], Distribution::Default, &device);
        let noise = Tensor::random([1, 2, 8], Distribution::Default, &device);
        let padded = Tensor::cat(vec![short.clone(), noise], 1);
        let valid = Tensor::from_bool([[true, true, true, false, false]], &device);
        let attend = Attend::default();
        let with = attention
            .forward(padded, &attend, Reach::Valid(valid))
            .slice_dim(1, ..3);
        let without = attention.forward(short, &attend, Reach::All);
        with.into_data()
            .assert_approx_eq(&without.into_data(), tolerance());
    }

    #[test]
    fn no_rotation_and_zero_biases_are_plain_attention() {
        let device = Device::flex();
        let attention = attn(&device);
        let tokens = Tensor::random([2, 3, 8], Distribution::Default, &device);
        let attend = Attend {
            rotation: Some(Rotation {
                cos: Tensor::ones([1, 1, 3, 4], &device),
                sin: Tensor::zeros([1, 1, 3, 4], &device),
                pairs: Default::default(),
            }),
            bias: Some(Tensor::zeros([1, 2, 3, 3], &device)),
            key_bias: Some(Tensor::zeros([1, 3], &device)),
        };
        let got = attention.forward(tokens.clone(), &attend, Reach::All);
        let want = attention.forward(tokens, &Attend::default(), Reach::All);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance());
    }

    #[test]
    fn the_class_tokens_weights_sum_to_one_with_its_own() {
        let device = Device::flex();
        let attention = attn(&device);
        let tokens = Tensor::random([2, 5, 8], Distribution::Default, &device);
        let scores = |prefix| {
            let seen = |sees| {
                let all = Attend::default();
                attention
                    .forward_seen(tokens.clone(), &all, Reach::All, sees, prefix)
                    .1
            };
            let (Seen::ClassScores(scores), Seen::Keys(keys)) =
                (seen(Sees::ClassScores), seen(Sees::Keys))
            else {
                unreachable!("what was asked for");
            };
            assert_eq!(keys.dims(), [2, 5 - prefix, 4]);
            scores
        };
        let sums = scores(0).sum_dim(1).into_data();
        sums.assert_approx_eq(&[[1.0f32], [1.0]].into(), tolerance());
        let behind = scores(0).slice_dim(1, 1..).into_data();
        scores(1).into_data().assert_eq(&behind, true);
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_an_error() {
        let error = AttentionConfig::new(64, 5)
            .try_init(&Device::flex())
            .unwrap_err();
        assert_eq!(error, Error::Heads { dim: 64, heads: 5 });
    }
}
