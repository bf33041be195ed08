//! DynamicViT: a learned predictor decides which tokens are kept.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::reduce::mask::kept::picked;
use crate::reduce::prune::keep_predictor::KeepPredictor;
use crate::reduce::prune::keep_rate::{best, check_keep};
use crate::reduce::reduce::{Reduce, Reduced, Seen, expect_unpacked};
use crate::reduce::weight::cleared;
use crate::tokens::{PlaceKind, Restore};
use crate::{Error, Noise, Tokens};

/// Noise is kept so far from 0 and 1, where Gumbel's double logarithm ends.
const EDGE: f32 = 1e-6;

/// Configuration of [`DynamicVit`].
#[derive(Config, Debug)]
pub struct DynamicVitConfig {
    /// Share of the tokens that is kept, in `(0, 1]`, of those that come to it.
    pub rate: f64,
    /// Width of the tokens, a multiple of 4.
    pub dim: usize,
    /// Tokens to keep whatever the rate; none: by the rate.
    pub keep: Option<usize>,
}

/// Keeps the tokens that a small network says are worth it, and learns which those are.
///
/// Rao et al., [DynamicViT](https://arxiv.org/abs/2106.02034), section 3; `raoyongming/DynamicViT`, `vit.py`
/// (`VisionTransformerDiffPruning`). It stands before a block.
///
/// # Shapes
///
/// - tokens `[batch, prefix + n, dim]`
/// - without noise (prediction) `[batch, prefix + k, dim]`, `k = max(1, ⌊rate·n⌋)`: the tokens most likely to be kept
/// - with noise (training) the same `n` tokens, with a [policy](Tokens::policy)
///
/// # Equation
///
/// With the predictor's `ℓ = [ln keep, ln drop]` and Gumbel noise `g = −ln(−ln u)`, a token is kept in training where
/// `ℓ₀ + g₀ ≥ ℓ₁ + g₁` and it was before; the gradient is that of `softmax(ℓ + g)₀`. Tokens that are dropped stay, so
/// that batches do, but attention lets no other token see them: [`Attend::policy`](crate::tokens::Attend::policy).
///
/// Noise is two values a token, images one after another, for keep and drop. [`Reduced::scores`] are the decisions in
/// training, whose mean the paper's ratio loss compares with the rate, and else the probabilities to be kept.
///
/// # Departures
///
/// The reference's rate is of the tokens of the whole image, which it takes for 196; ours is of those that come to it,
/// and `keep` says any other number. Tokens that are kept keep their order. Of equal ones the lower index is kept.
/// Padding is kept last and is not in the predictor's mean. Reducers that see what is around a token (pools, merging)
/// look at dropped ones too, while it trains.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::{DynamicVitConfig, Reduce, Seen};
///
/// let device = Device::flex();
/// let pruning = DynamicVitConfig::new(0.5, 4).init(&device);
/// let tokens = patchify(Tensor::ones([1, 1, 4, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let predicted = pruning.reduce(tokens.clone(), Seen::Tokens, 0, &mut Noise::None);
/// assert_eq!(predicted.tokens.tokens(), 2);
///
/// // Equal tokens are equally likely to be kept: here the noise alone decides.
/// let noise = [0.9, 0.1, 0.1, 0.9, 0.6, 0.5, 0.5, 0.6];
/// let trained = pruning.reduce(tokens, Seen::Tokens, 0, &mut Noise::from(&noise));
/// let policy = trained.tokens.policy().unwrap();
/// policy.into_data().assert_eq(&[[1.0f32, 0.0, 1.0, 0.0]].into(), true);
/// ```
#[derive(Module, Debug)]
pub struct DynamicVit {
    /// Says which tokens to keep.
    pub predictor: KeepPredictor,
    rate: f64,
    keep: Option<usize>,
}

impl DynamicVitConfig {
    /// Keeps `tokens` tokens of width `dim`.
    pub fn for_tokens(tokens: usize, dim: usize) -> Self {
        Self::new(1.0, dim).with_keep(Some(tokens))
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for a rate outside `(0, 1]`, [`Error::Zero`] for no token to keep or no width,
    /// [`Error::Indivisible`] for a width that is no multiple of 4.
    pub fn try_init(&self, device: &Device) -> Result<DynamicVit, Error> {
        check_keep(self.rate, self.keep)?;
        nonzero("dim", &[self.dim])?;
        if !self.dim.is_multiple_of(4) {
            return Err(Error::Indivisible {
                what: "width of the tokens to prune",
                divisor: 4,
                got: self.dim,
            });
        }
        Ok(DynamicVit {
            predictor: KeepPredictor::new(self.dim, device),
            rate: self.rate,
            keep: self.keep,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> DynamicVit {
        self.try_init(device).or_panic()
    }
}

impl DynamicVit {
    /// How many of `tokens` are kept.
    pub fn kept(&self, tokens: usize) -> usize {
        let kept = || ((self.rate * tokens as f64) as usize).max(1);
        self.keep.unwrap_or_else(kept).min(tokens)
    }

    /// Logarithms of the probabilities to be kept and to be dropped, `[batch, tokens, 2]`.
    ///
    /// # Panics
    ///
    /// If the width differs.
    #[track_caller]
    pub fn predict(&self, tokens: &Tokens) -> Tensor<3> {
        self.width(tokens.dim()).or_panic();
        let valid = tokens.valid().map(|valid| valid.float());
        self.predictor
            .forward(cleared(tokens), valid, tokens.policy())
    }

    /// The tokens with what `noise` decides of each.
    fn train(&self, tokens: Tokens, noise: Vec<f32>) -> Reduced {
        let gumbel = noise
            .into_iter()
            .map(|u| -(-u.clamp(EDGE, 1.0 - EDGE).ln()).ln());
        let gumbel = TensorData::new(gumbel.collect(), [tokens.batch(), tokens.tokens(), 2]);
        let logits = self.predict(&tokens);
        let gumbel = Tensor::from_data(gumbel, (&logits.device(), DType::F32));
        let logits = logits.cast(DType::F32) + gumbel;
        let soft = softmax(logits, 2).slice_dim(2, 0..1).squeeze_dim::<2>(2);
        let hard = soft.clone().detach().greater_equal_elem(0.5).float();
        let decision = hard.cast(DType::F32) + soft.clone() - soft.detach();
        let decision = match tokens.policy() {
            Some(policy) => decision * policy.cast(DType::F32),
            None => decision,
        };
        let decision = decision.cast(tokens.embeddings().dtype());
        Reduced {
            scores: Some(decision.clone()),
            ..Reduced::unchanged(tokens.with_policy(decision))
        }
    }
}

impl Reduce for DynamicVit {
    fn width(&self, dim: usize) -> Result<usize, Error> {
        let [expected, _] = self.predictor.local.weight.dims();
        if dim != expected {
            return Err(Error::Shape {
                what: "width of the tokens to prune",
                expected: vec![expected],
                got: vec![dim],
            });
        }
        Ok(dim)
    }

    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        Ok(self.kept(tokens))
    }

    fn output_with_noise(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        Ok(tokens)
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        Ok(picked(places))
    }

    fn noise(&self, batch: usize, tokens: usize) -> usize {
        2 * batch * tokens
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, noise: &mut Noise<'_>) -> Reduced {
        expect_unpacked("DynamicViT", &tokens);
        if !noise.is_none() {
            let count = self.noise(tokens.batch(), tokens.tokens());
            return self.train(tokens, noise.take("DynamicViT", count).or_panic());
        }
        let kept = self.kept(tokens.tokens());
        let logits = self.predict(&tokens).slice_dim(2, 0..1);
        let scores = logits.squeeze_dim::<2>(2);
        let (mask, index, rank) = best(&tokens, scores.clone(), kept);
        let owner = mask.clone() * rank + mask - 1.0;
        Reduced {
            restore: Some(Restore::new(owner.int(), &tokens)),
            scores: Some(scores.exp()),
            ..Reduced::for_good(tokens.select(index))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Distribution, Tolerance};

    fn tokens(device: &Device) -> Tokens {
        let window = Window::patch([1, 1], Remainder::Reject);
        let draw = Tensor::random([2, 6, 8], Distribution::Uniform(-1.0, 1.0), device);
        Tokens::from_grid(draw, window.layout([2, 3]).unwrap())
    }

    fn noise(seed: usize) -> Vec<f32> {
        (0..24)
            .map(|i| ((i * 7 + seed) % 24) as f32 / 24.0)
            .collect()
    }

    #[test]
    fn the_likeliest_stay_in_order_and_lead_back() {
        let device = Device::flex();
        let pruning = DynamicVitConfig::new(0.5, 8).init(&device);
        let all = tokens(&device);
        let scores = pruning.predict(&all).into_data();
        let scores = scores.try_to_vec_as::<f32>().unwrap();
        let reduced = pruning.reduce(all.clone(), Seen::Tokens, 0, &mut Noise::None);
        let owner = reduced.restore.as_ref().unwrap().owner().into_data();
        let owner = owner.try_to_vec_as::<i64>().unwrap();
        for (image, owner) in owner.chunks(6).enumerate() {
            let score = |token: usize| scores[2 * (6 * image + token)];
            let mut order: Vec<usize> = (0..6).collect();
            order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
            let mut kept = order[..3].to_vec();
            kept.sort_unstable();
            for (rank, token) in kept.iter().enumerate() {
                assert_eq!(owner[*token], rank as i64);
            }
            assert_eq!(owner.iter().filter(|owner| **owner < 0).count(), 3);
        }
        let restore = reduced.restore.unwrap();
        let mask = restore.mask().unsqueeze_dim::<3>(2);
        let back = restore.apply(reduced.tokens, None).into_embeddings();
        let want: Tensor<3> = all.embeddings() * (1.0 - mask);
        back.into_data().assert_eq(&want.into_data(), true);
    }

    #[test]
    fn in_training_what_is_dropped_once_stays_dropped_and_decisions_have_gradients() {
        let device = Device::flex().autodiff();
        let pruning = DynamicVitConfig::new(0.5, 8).init(&device);
        let (first, second) = (noise(1), noise(11));
        let run = |tokens, noise: &Vec<f32>| {
            let mut noise = Noise::from(noise);
            pruning.reduce(tokens, Seen::Tokens, 0, &mut noise).tokens
        };
        let once = run(tokens(&device), &first);
        let alone = run(tokens(&device), &second).policy().unwrap();
        let twice = run(once.clone(), &second).policy().unwrap();
        let product = once.policy().unwrap() * alone;
        let same = |left: Tensor<2>, right: Tensor<2>| {
            let [left, right] = [left, right].map(|policy| policy.round().into_data());
            left.assert_eq(&right, true);
        };
        assert_eq!(once.tokens(), 6);
        same(twice.clone(), product);
        let grads = twice.sum().backward();
        let weight = pruning.predictor.out[2].weight.val();
        let largest: f32 = weight.grad(&grads).unwrap().abs().max().into_scalar();
        assert!(largest > 0.0);
    }

    #[test]
    fn padding_is_out_of_the_mean_and_kept_last() {
        let device = Device::flex();
        let pruning = DynamicVitConfig::new(1.0, 8)
            .with_keep(Some(4))
            .init(&device);
        let all = tokens(&device);
        let valid = Tensor::<2>::from_floats([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]; 2], &device);
        let valid = valid.greater_elem(0.5);
        let lost = Tensor::full([2, 3, 8], f32::NAN, &device);
        let real = all.patch_embeddings().slice_dim(1, ..3);
        let padded = all.map(|_| Tensor::cat(vec![real.clone(), lost], 1));
        let reduced = pruning.reduce(padded.with_valid(valid), Seen::Tokens, 0, &mut Noise::None);
        let window = Window::patch([1, 1], Remainder::Reject);
        let short = Tokens::from_grid(real, window.layout([1, 3]).unwrap());
        let want = pruning.predict(&short).slice_dim(2, 0..1).exp();
        let got = reduced.scores.unwrap().slice_dim(1, ..3).into_data();
        got.assert_approx_eq(
            &want.squeeze_dim::<2>(2).into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
        let valid = reduced.tokens.valid().unwrap().int().into_data();
        valid
            .convert::<i64>()
            .assert_eq(&[[1i64, 1, 1, 0]; 2].into(), true);
    }

    #[test]
    fn a_wrong_setting_is_an_error() {
        let device = Device::flex();
        let error = |rate, dim| DynamicVitConfig::new(rate, dim).try_init(&device);
        assert!(matches!(error(0.0, 8), Err(Error::Range { .. })));
        assert!(matches!(error(0.5, 6), Err(Error::Indivisible { .. })));
        assert!(matches!(error(0.5, 0), Err(Error::Zero { .. })));
    }
}
