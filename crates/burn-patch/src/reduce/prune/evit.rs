//! EViT: tokens that the class token attends to, and one that is made of the others.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use crate::or_panic::OrPanic;
use crate::reduce::mask::kept::picked;
use crate::reduce::prune::keep_rate::{best, check_keep};
use crate::reduce::reduce::{Reduce, Reduced, Seen, Sees, expect_unpacked};
use crate::reduce::weight::{cleared, counts, sized};
use crate::reduce::whole_images::whole_images;
use crate::tokens::{PlaceKind, Places, Reach, Restore};
use crate::{Error, Noise, Tokens};

/// Configuration of [`EVit`].
#[derive(Config, Debug)]
pub struct EVitConfig {
    /// Share of the patch tokens that is kept, in `(0, 1]`.
    pub rate: f64,
    /// Tokens to keep whatever the rate; none: by the rate.
    pub keep: Option<usize>,
    /// Whether the others become one token behind those that are kept.
    #[config(default = true)]
    pub fuse: bool,
}

/// Keeps the tokens that the class token attends to most, and makes one of the others.
///
/// Liang et al., [Not All Patches are What You Need](https://arxiv.org/abs/2202.07800), section 3;
/// `youweiliang/evit`, `evit.py` (`Attention`, `Block`). It stands between the attention and the MLP of a block and sees
/// what the class token gives to each patch token there.
///
/// # Shapes
///
/// - tokens `[batch, prefix + n, dim]` behind a class token, its attention `[batch, n]`, the mean over the heads
/// - `[batch, prefix + k + 1, dim]`, or without the last where `fuse` is off or `k = n`
///
/// # Equation
///
/// `k = ⌈rate·n⌉` in double precision; kept are the `k` tokens of highest `a`, the last is `Σ aᵢ·xᵢ` over the others
///
/// Gradients flow through `x` and through the `a` of that sum.
///
/// # Departures
///
/// Tokens that are kept keep their order; the reference sorts them by `a`. Of equal `a` the lower index is kept. Padding
/// is kept last. The sum stands for as many patches as it is made of, and lies on the whole image, so the others get
/// [boxes](Places::Boxes) too.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::{EVitConfig, Reduce, Seen};
///
/// let device = Device::flex();
/// let images = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 4.0]]]], &device);
/// let tokens = patchify(images, [1, 1], FlatOrder::default()).unwrap();
/// let tokens = tokens.with_prefix(Tensor::full([1, 1, 1], 9.0, &device));
/// let attention = Tensor::from_floats([[0.25, 0.125, 0.125, 0.375]], &device);
/// let evit = EVitConfig::new(0.5).init(&device);
/// let reduced = evit.reduce(tokens, Seen::ClassScores(attention), 0, &mut Noise::None);
/// let want = [[[9.0f32], [1.0], [4.0], [0.125 * 2.0 + 0.125 * 3.0]]];
/// reduced.tokens.into_embeddings().into_data().assert_eq(&want.into(), true);
/// ```
#[derive(Module, Debug)]
pub struct EVit {
    rate: f64,
    keep: Option<usize>,
    fuse: bool,
}

impl EVitConfig {
    /// Leaves `tokens` tokens of any width, the last of them made of the others where there are several.
    pub fn for_tokens(tokens: usize, _dim: usize) -> Self {
        let fuse = tokens > 1;
        let keep = if fuse { tokens - 1 } else { tokens };
        Self::new(1.0).with_keep(Some(keep)).with_fuse(fuse)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for a rate outside `(0, 1]`, [`Error::Zero`] for no token to keep.
    pub fn try_init(&self, _device: &Device) -> Result<EVit, Error> {
        check_keep(self.rate, self.keep)?;
        Ok(EVit {
            rate: self.rate,
            keep: self.keep,
            fuse: self.fuse,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> EVit {
        self.try_init(device).or_panic()
    }
}

impl EVit {
    /// How many of `tokens` are kept, the one made of the others not counted.
    pub fn kept(&self, tokens: usize) -> usize {
        let kept = || (self.rate * tokens as f64).ceil() as usize;
        self.keep.unwrap_or_else(kept).min(tokens)
    }
}

impl Reduce for EVit {
    fn sees(&self) -> Sees {
        Sees::ClassScores
    }

    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        let kept = self.kept(tokens);
        Ok(kept + usize::from(self.fuse && kept < tokens))
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        Ok(match self.fuse {
            true => PlaceKind::Boxes,
            false => picked(places),
        })
    }

    fn reduce(&self, tokens: Tokens, seen: Seen, _: usize, _: &mut Noise<'_>) -> Reduced {
        let scores = seen.class_scores("EViT").or_panic();
        expect_unpacked("EViT", &tokens);
        let (count, kept) = (tokens.tokens(), self.kept(tokens.tokens()));
        if kept == count {
            return Reduced {
                scores: Some(scores),
                ..Reduced::unchanged(tokens)
            };
        }
        let (mask, index, rank) = best(&tokens, scores.clone(), kept);
        let others = mask.clone().neg() + 1.0;
        // Where nothing is made of the others, none holds them.
        let holder = if self.fuse { kept as f32 } else { -1.0 };
        let owner = mask * rank + others.clone() * holder;
        let restore = Restore::new(owner.int(), &tokens);
        let left = tokens.clone().select(index.clone());
        Reduced {
            tokens: match self.fuse {
                true => with_others(tokens, left, index, others, scores.clone()),
                false => left,
            },
            restore: Some(restore),
            scores: Some(scores),
            weights: None,
        }
    }
}

/// `left`, the tokens at `index`, and behind them the sum of `tokens` where `others` is 1, weighted by `scores`.
fn with_others(
    tokens: Tokens,
    left: Tokens,
    index: Tensor<2, Int>,
    others: Tensor<2>,
    scores: Tensor<2>,
) -> Tokens {
    let (batch, kept) = (left.batch(), left.tokens());
    let patches = cleared(&tokens);
    let weights = scores.cast(patches.dtype()) * others.clone().cast(patches.dtype());
    let sum = weights.unsqueeze_dim::<3>(1).matmul(patches);
    let all = counts(&tokens);
    let counts = Tensor::cat(
        vec![all.clone().gather(1, index), (all * others).sum_dim(1)],
        1,
    );
    let whole = whole_images(&tokens).expand([batch, 1, 4]);
    let boxes = left.boxes_px().expand([batch, kept, 4]);
    let whole = whole.cast(boxes.dtype());
    let boxes = Tensor::cat(vec![boxes, whole], 1);
    let embeddings = Tensor::cat(vec![left.patch_embeddings(), sum], 1);
    let made = Tokens::new(embeddings, tokens.layout().clone(), Places::Boxes(boxes));
    let reach = match tokens.valid() {
        Some(_) => Reach::Valid(counts.clone().greater_elem(0.0)),
        None => Reach::All,
    };
    let made = sized(made.with_reach(reach), counts);
    match left.prefix_embeddings() {
        Some(prefix) => made.with_prefix(prefix),
        None => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Distribution, Tolerance};

    fn tokens(embeddings: Tensor<3>) -> Tokens {
        let cells = embeddings.dims()[1];
        let window = Window::patch([2, 2], Remainder::Reject);
        Tokens::from_grid(embeddings, window.layout([2, 2 * cells]).unwrap())
    }

    fn run(config: &EVitConfig, tokens: Tokens, scores: Tensor<2>) -> Reduced {
        let evit = config.init(&tokens.embeddings().device());
        evit.reduce(tokens, Seen::ClassScores(scores), 0, &mut Noise::None)
    }

    fn random(shape: [usize; 3], device: &Device) -> Tensor<3> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
    }

    #[test]
    fn what_is_left_knows_its_place_its_size_and_the_way_back() {
        let device = Device::flex();
        let all = tokens(random([1, 5, 3], &device));
        let scores = Tensor::from_floats([[0.1, 0.4, 0.1, 0.2, 0.1]], &device);
        let reduced = run(&EVitConfig::new(0.6), all.clone(), scores);
        assert_eq!(reduced.tokens.tokens(), 4);
        let sizes = reduced.tokens.sizes().unwrap().into_data();
        sizes.assert_eq(&[[1.0f32, 1.0, 1.0, 2.0]].into(), true);
        let owner = reduced.restore.unwrap().owner().into_data();
        owner
            .convert::<i64>()
            .assert_eq(&[[0i64, 1, 3, 2, 3]].into(), true);
        let boxes = reduced.tokens.boxes_px();
        let kept = boxes.clone().slice_dim(1, 2..3).reshape([4]).into_data();
        kept.assert_eq(&[1.0f32, 7.0, 2.0, 2.0].into(), true);
        let whole = boxes.slice_dim(1, 3..).reshape([4]).into_data();
        whole.assert_eq(&[1.0f32, 5.0, 2.0, 10.0].into(), true);
    }

    #[test]
    fn without_fusing_the_others_are_held_by_none() {
        let device = Device::flex();
        let all = tokens(random([1, 4, 3], &device));
        let scores = Tensor::from_floats([[0.1, 0.4, 0.3, 0.2]], &device);
        let config = EVitConfig::new(0.5).with_fuse(false);
        let reduced = run(&config, all, scores);
        let owner = reduced.restore.unwrap().owner().into_data();
        owner
            .convert::<i64>()
            .assert_eq(&[[-1i64, 0, 1, -1]].into(), true);
        assert_eq!(reduced.tokens.places().kind(), PlaceKind::Picked);
    }

    #[test]
    fn padding_is_kept_last_and_adds_nothing_whatever_it_holds() {
        let device = Device::flex();
        let real = random([1, 4, 3], &device);
        let scores = Tensor::from_floats([[0.1, 0.4, 0.3, 0.2]], &device);
        let config = EVitConfig::new(1.0).with_keep(Some(2));
        let short = run(&config, tokens(real.clone()), scores.clone()).tokens;
        let lost = Tensor::full([1, 2, 3], f32::NAN, &device);
        let valid = Tensor::<2>::from_floats([[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]], &device);
        let padded = tokens(Tensor::cat(vec![real, lost], 1));
        let padded = padded.with_valid(valid.greater_elem(0.5));
        let scores = Tensor::cat(vec![scores, Tensor::zeros([1, 2], &device)], 1);
        let long = run(&config, padded.clone(), scores.clone()).tokens;
        long.embeddings().into_data().assert_approx_eq(
            &short.into_embeddings().into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
        let config = EVitConfig::new(1.0).with_keep(Some(5));
        let all = run(&config, padded, scores).tokens;
        let valid = all.valid().unwrap().int().into_data().convert::<i64>();
        valid.assert_eq(&[[1i64, 1, 1, 1, 0, 0]].into(), true);
    }

    #[test]
    fn a_rate_out_of_range_is_an_error_and_all_may_be_kept() {
        let device = Device::flex();
        for rate in [0.0, 1.1, f64::NAN] {
            let error = EVitConfig::new(rate).try_init(&device).unwrap_err();
            assert!(matches!(error, Error::Range { .. }), "{error}");
        }
        let evit = EVitConfig::new(0.7).init(&device);
        assert_eq!((evit.output(196, 0), evit.output(1, 0)), (Ok(139), Ok(1)));
    }
}
