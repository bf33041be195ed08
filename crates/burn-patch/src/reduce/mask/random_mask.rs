//! MAE's random masking.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

use crate::grid::PatchGrid;
use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::reduce::mask::kept::{Kept, MaskPlan, check_ratio, kept_of, picked};
use crate::reduce::reduce::{Reduce, Reduced, Seen};
use crate::tokens::{PlaceKind, Restore};
use crate::{Error, Noise, Tokens};

/// Random masking: keeps the tokens with the smallest noise.
///
/// He et al., [Masked Autoencoders](https://arxiv.org/abs/2111.06377), `models_mae.py`
/// (`random_masking`): `keep = int(tokens * (1 - ratio))` in double precision, tokens in ascending order of noise,
/// the first `keep` of them kept, `restore = argsort(argsort(noise))`. The product is cut, not rounded: 100 tokens at 0.9
/// keep 9, since `1 - 0.9` is a little less than a tenth.
///
/// The noise comes from the host and is sorted there, so a run is the same on every backend and
/// nothing is read back. Equal noise keeps the lower index first.
///
/// # Departures
///
/// At least one token is kept; the reference would keep none of a very small image. Padding of a ragged batch is
/// drawn like any other token, so an image may keep some of it.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::RandomMask;
///
/// let device = Device::flex();
/// let tokens = patchify(Tensor::ones([1, 1, 4, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let (visible, restore) = RandomMask::new(0.5).apply(tokens, &[0.9, 0.1, 0.3, 0.7]);
/// assert_eq!(visible.tokens(), 2);
/// restore.mask().into_data().assert_eq(&[[1.0f32, 0.0, 0.0, 1.0]].into(), true);
/// assert_eq!(RandomMask::new(0.9).kept(100), 9);
/// ```
#[derive(Module, Debug)]
pub struct RandomMask {
    ratio: f64,
    keep: Option<usize>,
}

/// Configuration of [`RandomMask`].
#[derive(Config, Debug)]
pub struct RandomMaskConfig {
    /// Share of the tokens that is masked, in `[0, 1)`.
    pub ratio: f64,
    /// Tokens to keep whatever the ratio; none: by the ratio.
    pub keep: Option<usize>,
}

impl RandomMaskConfig {
    /// Keeps `tokens` tokens, of any width.
    pub fn for_tokens(tokens: usize, _dim: usize) -> Self {
        Self::new(0.0).with_keep(Some(tokens))
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::MaskRatio`] outside `[0, 1)`, [`Error::Zero`] for no token to keep.
    pub fn try_init(&self, _device: &Device) -> Result<RandomMask, Error> {
        if let Some(keep) = self.keep {
            nonzero("tokens to keep", &[keep])?;
        }
        let mask = RandomMask::try_new(self.ratio)?;
        Ok(RandomMask {
            keep: self.keep,
            ..mask
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> RandomMask {
        self.try_init(device).or_panic()
    }
}

impl RandomMask {
    /// Masks `ratio` of the tokens.
    ///
    /// # Errors
    ///
    /// [`Error::MaskRatio`] outside `[0, 1)`.
    pub fn try_new(ratio: f64) -> Result<Self, Error> {
        check_ratio(ratio)?;
        Ok(Self { ratio, keep: None })
    }

    /// Masks `ratio` of the tokens.
    ///
    /// # Panics
    ///
    /// With the text of [`try_new`](Self::try_new)'s error.
    #[track_caller]
    pub fn new(ratio: f64) -> Self {
        Self::try_new(ratio).or_panic()
    }

    /// How many of `tokens` stay visible, `max(1, int(tokens * (1 - ratio)))` in double precision.
    pub fn kept(&self, tokens: usize) -> usize {
        match self.keep {
            Some(keep) => keep.min(tokens),
            None => kept_of(tokens, self.ratio),
        }
    }

    /// Decides what to keep before anything is embedded.
    ///
    /// `noise` holds one value per patch, images one after another.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if there is not one noise value per patch of `batch` images.
    pub fn plan(
        &self,
        batch: usize,
        grid: PatchGrid,
        noise: &[f32],
        device: &Device,
    ) -> Result<MaskPlan, Error> {
        let kept = self.draw(batch, grid.tokens(), noise)?;
        Ok(kept.plan(grid.into(), device))
    }

    /// Masks tokens that are there already; the prefix stays.
    ///
    /// # Panics
    ///
    /// If there is not one noise value per patch token.
    #[track_caller]
    pub fn apply(&self, tokens: Tokens, noise: &[f32]) -> (Tokens, Restore) {
        let kept = self.draw(tokens.batch(), tokens.tokens(), noise);
        kept.or_panic().apply(tokens)
    }

    fn draw(&self, batch: usize, tokens: usize, noise: &[f32]) -> Result<Kept, Error> {
        Kept::least_noise(noise, [batch, tokens, self.kept(tokens)])
    }
}

impl Reduce for RandomMask {
    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        Ok(self.kept(tokens))
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        Ok(picked(places))
    }

    fn noise(&self, batch: usize, tokens: usize) -> usize {
        batch * tokens
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, noise: &mut Noise<'_>) -> Reduced {
        let count = self.noise(tokens.batch(), tokens.tokens());
        let noise = noise.take("a random mask", count).or_panic();
        let (tokens, restore) = self.apply(tokens, &noise);
        Reduced {
            restore: Some(restore),
            ..Reduced::for_good(tokens)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Distribution, Tensor};
    use rstest::rstest;

    #[test]
    fn restore_puts_kept_tokens_back_and_fills_the_rest() {
        let device = Device::flex();
        let grid = Window::patch([1, 1], Remainder::Reject)
            .layout([3, 4])
            .unwrap();
        let tokens = Tokens::from_grid(
            Tensor::random([2, 12, 3], Distribution::Default, &device),
            grid,
        )
        .with_prefix(Tensor::ones([1, 2, 3], &device));
        let noise: Vec<f32> = (0..24).map(|i| (i * 7 % 24) as f32).collect();
        let (visible, restore) = RandomMask::new(0.75).apply(tokens.clone(), &noise);
        assert_eq!(visible.tokens(), 3);
        let restored = restore.apply(visible, Some(Tensor::full([1, 1, 3], 9.0, &device)));
        let mask = Tensor::cat(vec![Tensor::zeros([2, 2], &device), restore.mask()], 1);
        let mask = mask.unsqueeze_dim::<3>(2);
        let want: Tensor<3> = tokens.embeddings() * (1.0 - mask.clone()) + mask * 9.0;
        restored
            .into_embeddings()
            .into_data()
            .assert_eq(&want.into_data(), true);
    }

    #[test]
    fn nothing_masked_restores_to_the_same_tokens() {
        let device = Device::flex();
        let grid = Window::patch([1, 1], Remainder::Reject)
            .layout([2, 2])
            .unwrap();
        let tokens = Tokens::from_grid(
            Tensor::random([1, 4, 3], Distribution::Default, &device),
            grid,
        );
        let (visible, restore) = RandomMask::new(0.0).apply(tokens.clone(), &[0.4, 0.3, 0.2, 0.1]);
        let restored = restore.apply(visible, None);
        restored
            .into_embeddings()
            .into_data()
            .assert_eq(&tokens.into_embeddings().into_data(), true);
    }

    #[rstest]
    #[case(1.0)]
    #[case(-0.1)]
    #[case(f64::NAN)]
    fn ratio_outside_zero_to_one_is_an_error(#[case] ratio: f64) {
        assert!(matches!(
            RandomMask::try_new(ratio),
            Err(Error::MaskRatio { .. })
        ));
    }

    #[test]
    fn wrong_amount_of_noise_is_an_error() {
        let grid = Window::patch([1, 1], Remainder::Reject)
            .layout([2, 2])
            .unwrap();
        let plan = RandomMask::new(0.5).plan(2, grid, &[0.0; 4], &Device::flex());
        assert!(matches!(plan, Err(Error::Shape { .. })));
    }
}
