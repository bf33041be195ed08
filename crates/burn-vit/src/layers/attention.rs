//! Self-attention of a block.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_patch::layers::{XAVIER, apply, linear};
use burn_patch::ops::{AttentionOptions, Qkv, at_least_single, attention};
use burn_patch::reduce::{Seen, Sees};
use burn_patch::tokens::{Attend, Reach, Rotation};

use crate::Error;
use crate::layers::policy_attention::policy_attention;

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
/// from [`Attend`]. Where that has a policy, the softmax is DynamicViT's, in which each key is seen by other tokens as far
/// as the policy lets them.
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
    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

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
        let keys = (sees == Sees::Keys).then(|| self.keys(&qkv, prefix));
        let qkv = match &attend.rotation {
            None => qkv,
            Some(rotation) => self.rotated(qkv, rotation),
        };
        let seen = match (sees, keys) {
            (Sees::Keys, Some(keys)) => Seen::Keys(keys),
            (Sees::ClassScores, _) => {
                Seen::ClassScores(self.class_scores(&qkv, attend, &reach, prefix))
            }
            _ => Seen::Tokens,
        };
        if let Some(policy) = attend.policy.clone() {
            let parts = [0, 1, 2].map(|index| self.by_head(&qkv, index));
            let context = policy_attention(parts, attend, &reach, policy);
            return (apply(&self.proj, context), seen);
        }
        let options = AttentionOptions::new(self.heads)
            .with_bias(attend.bias.clone())
            .with_key_bias(attend.key_bias.clone())
            .with_reach(reach);
        let context = attention(Qkv::Fused(qkv), options);
        (apply(&self.proj, context), seen)
    }

    /// Query and key turned. They stay fused, so that padding, which asks nothing then, keeps what it holds to itself.
    fn rotated(&self, qkv: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let [query, key] = [0, 1].map(|index| rotation.apply(part(&qkv, index), self.heads));
        Tensor::cat(vec![query, key, part(&qkv, 2)], 2)
    }

    /// Query (0), key (1) or value (2) by heads, `[batch, heads, tokens, width]`.
    fn by_head(&self, qkv: &Tensor<3>, index: usize) -> Tensor<4> {
        let [batch, count, values] = qkv.dims();
        let width = values / 3 / self.heads;
        let part = part(qkv, index).reshape([batch, count, self.heads, width]);
        part.swap_dims(1, 2)
    }

    /// Keys of the patch tokens before they are turned, the mean over the heads.
    fn keys(&self, qkv: &Tensor<3>, prefix: usize) -> Tensor<3> {
        let keys = self.by_head(qkv, 1).mean_dim(1).squeeze_dim::<3>(1);
        keys.slice_dim(1, prefix..)
    }

    /// What the first token, the class, gives to each patch token, the mean over the heads.
    fn class_scores(
        &self,
        qkv: &Tensor<3>,
        attend: &Attend,
        reach: &Reach,
        prefix: usize,
    ) -> Tensor<2> {
        let [batch, count, _] = qkv.dims();
        let precise = at_least_single(qkv.dtype());
        let [query, keys] = [0, 1].map(|index| self.by_head(qkv, index).cast(precise));
        let width = query.dims()[3];
        let scores = query.slice_dim(2, 0..1).matmul(keys.transpose());
        let mut scores = scores * (width as f64).powf(-0.5);
        if let Some(bias) = &attend.bias {
            scores = scores + bias.clone().slice_dim(2, 0..1).cast(precise);
        }
        if let Some(bias) = &attend.key_bias {
            let [images, _] = bias.dims();
            scores = scores + bias.clone().cast(precise).reshape([images, 1, 1, count]);
        }
        if let Some(valid) = reach.valid() {
            let hidden = valid.bool_not().reshape([batch, 1, 1, count]);
            scores = scores.mask_fill(
                hidden.expand([batch, self.heads, 1, count]),
                f32::NEG_INFINITY,
            );
        }
        let weights = softmax(scores, 3).mean_dim(1).reshape([batch, count]);
        weights.slice_dim(1, prefix..).cast(qkv.dtype())
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
            policy: None,
        };
        let got = attention.forward(tokens.clone(), &attend, Reach::All);
        let want = attention.forward(tokens, &Attend::default(), Reach::All);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance());
    }

    #[test]
    fn padding_keeps_what_it_holds_to_itself_where_places_turn_queries() {
        let device = Device::flex().autodiff();
        let attention = attn(&device);
        let short = Tensor::<3>::random([1, 3, 8], Distribution::Default, &device).require_grad();
        let turn = |tokens: usize| Attend {
            rotation: Some(Rotation {
                cos: Tensor::full([1, 1, tokens, 4], 0.6, &device),
                sin: Tensor::full([1, 1, tokens, 4], 0.8, &device),
                pairs: Default::default(),
            }),
            ..Attend::default()
        };
        let lost = Tensor::full([1, 2, 8], f32::NAN, &device);
        let padded = Tensor::cat(vec![short.clone(), lost], 1);
        let valid = Tensor::from_bool([[true, true, true, false, false]], &device);
        let run = |tokens: Tensor<3>, reach| {
            let count = tokens.dims()[1];
            let out = attention
                .forward(tokens, &turn(count), reach)
                .slice_dim(1, ..3);
            let grads = out.clone().powi_scalar(2).sum().backward();
            (out.into_data(), short.grad(&grads).unwrap().into_data())
        };
        let (with, with_grad) = run(padded, Reach::Valid(valid));
        let (without, without_grad) = run(short.clone(), Reach::All);
        with.assert_approx_eq(&without, tolerance());
        with_grad.assert_approx_eq(&without_grad, tolerance());
    }

    #[test]
    fn the_class_gives_nothing_to_padding() {
        let device = Device::flex();
        let attention = attn(&device);
        let tokens = Tensor::random([1, 4, 8], Distribution::Default, &device);
        let scores = |tokens: Tensor<3>, reach| {
            let all = Attend::default();
            match attention
                .forward_seen(tokens, &all, reach, Sees::ClassScores, 1)
                .1
            {
                Seen::ClassScores(scores) => scores,
                _ => unreachable!("what was asked for"),
            }
        };
        let valid = Tensor::from_bool([[true, true, true, false]], &device);
        let padded = scores(tokens.clone(), Reach::Valid(valid));
        let short = scores(tokens.slice_dim(1, ..3), Reach::All);
        let zero = Tensor::zeros([1, 1], &device);
        let want = Tensor::cat(vec![short, zero], 1).into_data();
        padded.into_data().assert_approx_eq(&want, tolerance());
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

    /// A policy of ones, and one of zeros, which hides a token from all but itself.
    #[test]
    fn a_policy_hides_tokens_from_others_as_if_they_were_not_there() {
        let device = Device::flex();
        let attention = attn(&device);
        let tokens = Tensor::random([2, 5, 8], Distribution::Default, &device);
        let run = |tokens: Tensor<3>, policy: Option<[f32; 5]>, reach| {
            let policy = policy.map(|policy| Tensor::from_floats([policy; 2], &device));
            let attend = Attend {
                policy,
                ..Attend::default()
            };
            attention.forward(tokens, &attend, reach)
        };
        // The reference adds 10⁻⁶ to the weights.
        let close = Tolerance::<f32>::rel_abs(1e-5, 2e-6);
        let all = run(tokens.clone(), Some([1.0; 5]), Reach::All).into_data();
        all.assert_approx_eq(&run(tokens.clone(), None, Reach::All).into_data(), close);
        let some = run(tokens.clone(), Some([1.0, 1.0, 1.0, 0.0, 0.0]), Reach::All);
        let short = tokens.clone().slice_dim(1, ..3);
        let want = attention.forward(short, &Attend::default(), Reach::All);
        let want = want.into_data();
        let got = some.clone().slice_dim(1, ..3).into_data();
        got.assert_approx_eq(&want, close);
        let index = Tensor::from_ints([0, 1, 2, 4], &device);
        let own = attention.forward(
            tokens.clone().select(1, index),
            &Attend::default(),
            Reach::All,
        );
        let got = some.slice_dim(1, 4..).into_data();
        got.assert_approx_eq(&own.slice_dim(1, 3..).into_data(), close);

        let valid = Tensor::from_bool([[true, true, true, false, false]; 2], &device);
        let lost = Tensor::full([2, 2, 8], f32::NAN, &device);
        let padded = Tensor::cat(vec![tokens.slice_dim(1, ..3), lost], 1);
        let padded = run(padded, Some([1.0; 5]), Reach::Valid(valid));
        let got = padded.slice_dim(1, ..3).into_data();
        got.assert_approx_eq(&want, close);
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_an_error() {
        let error = AttentionConfig::new(64, 5)
            .try_init(&Device::flex())
            .unwrap_err();
        assert_eq!(error, Error::Heads { dim: 64, heads: 5 });
    }
}
