//! ToMe: tokens merged with the token most like them.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;
use crate::reduce::mask::kept::picked;
use crate::reduce::merge::matching::Matching;
use crate::reduce::merge::schedule::MergeSchedule;
use crate::reduce::reduce::{Reduce, Reduced, Seen, Sees, expect_unpacked};
use crate::reduce::weight::{cleared, counts, sized};
use crate::tokens::{PlaceKind, Reach, Restore};
use crate::{Error, Noise, Tokens};

/// Configuration of [`ToMe`].
#[derive(Config, Debug)]
pub struct ToMeConfig {
    /// How many tokens merge in each block.
    pub schedule: MergeSchedule,
    /// Whether later attention weighs a merged token as often as the patches that it stands for. The reference's
    /// `prop_attn`: on for models that were trained without merging; off for those trained with it, and for MAE's.
    #[config(default = true)]
    pub proportional: bool,
}

/// Token merging by bipartite soft matching.
///
/// Bolya et al., [Token Merging: Your ViT But Faster](https://arxiv.org/abs/2210.09461), section 3;
/// `facebookresearch/ToMe`, `tome/merge.py` (`bipartite_soft_matching`, `merge_wavg`) and `tome/patch/timm.py`. It stands
/// between the attention and the MLP of each block and sees the attention's keys.
///
/// # Shapes
///
/// - tokens `[batch, prefix + tokens, dim]`, keys of the patch tokens `[batch, tokens, width]`, the mean over the heads
/// - `[batch, prefix + tokens − r, dim]`: the prefix, the unmerged tokens of the first half, the other half
///
/// # Algorithm
///
/// Tokens at even places (counted with the prefix) each find the token at an odd place whose key has the highest
/// cosine with theirs. The `r` of highest cosine merge into what they found: a mean weighted by
/// [`sizes`](Tokens::sizes), which add up. The prefix takes no part. Gradients flow through the mean, and none through
/// the matching. Where there is a class token, with or without a distillation token, this is the reference.
///
/// # Departures
///
/// Any prefix is protected, registers too; the reference protects the class and distillation tokens alone. The order is
/// always the one above; the reference sorts the unmerged by their cosine where there is no class token. Of equal
/// edges the one with the lower index counts. A key of zeros is like no other, where the reference has NaN. Padding has
/// no weight and merges last. A merged token keeps the place of the token that the others merge into: a mean of places
/// far apart would lie on none of them.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::{MergeSchedule, Reduce, Seen, ToMeConfig};
///
/// let device = Device::flex();
/// let images = Tensor::<4>::from_floats([[[[1.0, 3.0], [5.0, 7.0]]]], &device);
/// let tokens = patchify(images, [1, 1], FlatOrder::default()).unwrap();
/// // The first token's key points where the second's does, the third's away from both others.
/// let keys = Tensor::from_floats([[[1.0, 0.1], [1.0, 0.1], [-1.0, 0.3], [0.0, 1.0]]], &device);
/// let tome = ToMeConfig::new(MergeSchedule::Once(1)).init(&device);
/// let reduced = tome.reduce(tokens, Seen::Keys(keys), 0, &mut Noise::None);
/// assert_eq!(reduced.tokens.sizes().unwrap().into_data().try_to_vec_as::<f32>().unwrap(), [1.0, 2.0, 1.0]);
/// let apart = reduced.restore.unwrap().apply(reduced.tokens, None).into_embeddings();
/// apart.into_data().assert_eq(&[[[2.0f32], [2.0], [5.0], [7.0]]].into(), true);
/// ```
#[derive(Module, Debug)]
pub struct ToMe {
    #[module(skip)]
    schedule: MergeSchedule,
    proportional: bool,
}

impl ToMeConfig {
    /// Merges until `tokens` tokens, of any width, are left, and no more than half of them at once.
    pub fn for_tokens(tokens: usize, _dim: usize) -> Self {
        Self::new(MergeSchedule::To(tokens))
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] where no token is to be left.
    pub fn try_init(&self, _device: &Device) -> Result<ToMe, Error> {
        if let MergeSchedule::To(left) = self.schedule {
            nonzero("tokens to be left", &[left])?;
        }
        Ok(ToMe {
            schedule: self.schedule.clone(),
            proportional: self.proportional,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> ToMe {
        self.try_init(device).or_panic()
    }
}

impl Reduce for ToMe {
    fn sees(&self) -> Sees {
        Sees::Keys
    }

    fn output(&self, tokens: usize, block: usize) -> Result<usize, Error> {
        Ok(tokens - self.schedule.merged(tokens, block)?)
    }

    fn proportional(&self) -> bool {
        self.proportional
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        Ok(picked(places))
    }

    fn reduce(&self, tokens: Tokens, seen: Seen, block: usize, _: &mut Noise<'_>) -> Reduced {
        let keys = seen.keys("ToMe").or_panic();
        expect_unpacked("ToMe", &tokens);
        let merged = self.schedule.merged(tokens.tokens(), block).or_panic();
        if merged == 0 {
            return Reduced::unchanged(tokens);
        }
        let matching = Matching::new(&tokens, keys, merged);
        Reduced {
            restore: Some(Restore::new(matching.owner.clone(), &tokens)),
            ..Reduced::for_good(merge(tokens, matching))
        }
    }
}

/// What stays, what merges added to it.
fn merge(tokens: Tokens, matching: Matching) -> Tokens {
    let Matching {
        kept,
        unmerged,
        source,
        takes,
        ..
    } = matching;
    let counts = counts(&tokens);
    let first = tokens.prefix() + unmerged;
    let dtype = tokens.embeddings().dtype();
    let precise = at_least_single(dtype);
    let column = |counts: Tensor<2>| counts.cast(precise).unsqueeze_dim::<3>(2);

    let valid = tokens.valid().is_some();
    let moving = cleared(&tokens.clone().select(source.clone())).cast(precise);
    let added = column(counts.clone().gather(1, source));
    let takes = takes.cast(precise);
    let staying = counts.gather(1, kept.clone());
    let into = column(staying.clone().slice_dim(1, unmerged..));
    let total = into.clone() + takes.clone().matmul(added.clone());
    let sum = takes.matmul(moving * added);

    let kept = tokens.select(kept);
    let other = cleared(&kept).slice_dim(1, unmerged..).cast(precise);
    let nothing = total.clone().equal_elem(0.0);
    let mean = (other * into + sum) / total.clone().mask_fill(nothing, 1.0);
    let total = total.squeeze_dim::<2>(2);
    let counts = match unmerged {
        0 => total,
        _ => Tensor::cat(
            vec![staying.slice_dim(1, ..unmerged).cast(precise), total],
            1,
        ),
    };
    let merged = kept.map(|all| match first {
        0 => mean.cast(dtype),
        _ => Tensor::cat(vec![all.slice_dim(1, ..first), mean.cast(dtype)], 1),
    });
    match valid {
        true => {
            let real = Reach::Valid(counts.clone().greater_elem(0.0));
            sized(merged.with_reach(real), counts)
        }
        false => sized(merged, counts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Distribution, Int, Tolerance};

    fn tokens(embeddings: Tensor<3>) -> Tokens {
        let cells = embeddings.dims()[1];
        let window = Window::patch([1, 1], Remainder::Reject);
        Tokens::from_grid(embeddings, window.layout([1, cells]).unwrap())
    }

    fn tolerance() -> Tolerance<f32> {
        Tolerance::rel_abs(1e-5, 1e-6)
    }

    fn random(shape: [usize; 3], device: &Device) -> Tensor<3> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
    }

    #[test]
    fn layer_after_layer_a_token_is_the_mean_of_the_patches_that_it_stands_for() {
        let device = Device::flex();
        let all = tokens(random([2, 16, 3], &device)).with_prefix(random([1, 1, 3], &device));
        let tome = ToMeConfig::new(MergeSchedule::Constant(4)).init(&device);
        let (mut left, mut back) = (all.clone(), Restore::unchanged(&all));
        for block in 0..3 {
            let keys = Seen::Keys(random([2, left.tokens(), 5], &device));
            let reduced = tome.reduce(left, keys, block, &mut Noise::None);
            (left, back) = (reduced.tokens, back.then(reduced.restore.unwrap()));
        }
        assert_eq!((left.prefix(), left.tokens()), (1, 4));
        let sums = left.sizes().unwrap().sum_dim(1).into_data();
        sums.assert_eq(&[[16.0f32], [16.0]].into(), true);

        let numbers = Tensor::<1, Int>::arange(0..4, &device).reshape([1, 4, 1]);
        let owner = back.owner().unsqueeze_dim::<3>(1).expand([2, 4, 16]);
        let holds = owner.equal(numbers.expand([2, 4, 16])).float();
        let sizes = holds.clone().sum_dim(2);
        let want = holds.matmul(all.patch_embeddings()) / sizes.clone();
        let got = left.patch_embeddings().into_data();
        got.assert_approx_eq(&want.into_data(), tolerance());
        let got = left.sizes().unwrap().into_data();
        got.assert_eq(&sizes.squeeze_dim::<2>(2).into_data(), true);
    }

    #[test]
    fn padding_weighs_nothing_whatever_it_holds() {
        let device = Device::flex();
        let real = random([1, 4, 3], &device);
        let lost = Tensor::full([1, 3, 3], f32::NAN, &device);
        let keys = random([1, 4, 5], &device);
        let valid = Tensor::<2>::from_floats([[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]], &device);
        let padded =
            tokens(Tensor::cat(vec![real.clone(), lost], 1)).with_valid(valid.greater_elem(0.5));
        let padding = Tensor::full([1, 3, 5], f32::NAN, &device);
        let padded_keys = Tensor::cat(vec![keys.clone(), padding], 1);
        let run = |tokens: Tokens, keys: Tensor<3>, merged: usize| {
            let tome = ToMeConfig::new(MergeSchedule::Once(merged)).init(&device);
            let reduced = tome.reduce(tokens, Seen::Keys(keys), 0, &mut Noise::None);
            (reduced.tokens.mean().into_data(), reduced.tokens)
        };
        let (mean, short) = run(tokens(real), keys, 2);
        // Two merge as without padding; the third is padding.
        let (padded_mean, long) = run(padded, padded_keys, 3);
        padded_mean.assert_approx_eq(&mean, tolerance());
        let valid = long.valid().unwrap().int().sum().into_scalar::<i64>();
        assert_eq!((long.tokens(), valid), (4, 2));
        let first = long.patch_embeddings().slice_dim(1, 1..3).into_data();
        first.assert_approx_eq(&short.patch_embeddings().into_data(), tolerance());
    }

    #[test]
    fn gradients_flow_through_the_mean_by_its_weights() {
        let device = Device::flex().autodiff();
        let embeddings = random([1, 2, 1], &device).require_grad();
        let sizes = Tensor::from_floats([[3.0, 1.0]], &device);
        let all = tokens(embeddings.clone()).with_sizes(sizes);
        let tome = ToMeConfig::new(MergeSchedule::Once(1)).init(&device);
        let keys = Seen::Keys(Tensor::ones([1, 2, 2], &device));
        let reduced = tome.reduce(all, keys, 0, &mut Noise::None);
        let grads = reduced.tokens.into_embeddings().sum().backward();
        let grad = embeddings.grad(&grads).unwrap().into_data();
        grad.assert_approx_eq(&[[[0.75f32], [0.25]]].into(), tolerance());
    }

    #[test]
    #[should_panic(expected = "ToMe sees the attention's keys, got tokens alone")]
    fn without_keys_it_says_so() {
        let device = Device::flex();
        let tome = ToMeConfig::for_tokens(2, 1).init(&device);
        tome.reduce(
            tokens(Tensor::zeros([1, 4, 1], &device)),
            Seen::Tokens,
            0,
            &mut Noise::None,
        );
    }

    #[test]
    #[should_panic(expected = "ToMe needs one image per row of the batch")]
    fn a_pack_is_refused() {
        let device = Device::flex();
        let packed = Reach::packed(&[vec![2, 2]], 4, &device);
        let tome = ToMeConfig::for_tokens(2, 1).init(&device);
        let all = tokens(Tensor::zeros([1, 4, 1], &device)).with_reach(packed);
        let keys = Seen::Keys(Tensor::ones([1, 4, 2], &device));
        tome.reduce(all, keys, 0, &mut Noise::None);
    }
}
