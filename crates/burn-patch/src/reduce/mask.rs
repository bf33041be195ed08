//! MAE's random masking.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{Rng, RngExt};

use crate::grid::PatchGrid;
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Random masking: keeps the tokens with the smallest noise.
///
/// He et al., [Masked Autoencoders](https://arxiv.org/abs/2111.06377), `models_mae.py`
/// (`random_masking`): `keep = ⌊tokens·(1 − ratio)⌋`, tokens in ascending order of noise, the
/// first `keep` of them kept, `restore = argsort(argsort(noise))`.
///
/// The noise comes from the host and is sorted there, so a run is the same on every backend and
/// nothing is read back. Equal noise keeps the lower index first.
///
/// # Departures
///
/// At least one token is kept; the reference would keep none of a very small image.
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
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomMask {
    ratio: f64,
}

impl RandomMask {
    /// Masks `ratio` of the tokens.
    ///
    /// # Errors
    ///
    /// [`Error::MaskRatio`] outside `[0, 1)`.
    pub fn try_new(ratio: f64) -> Result<Self, Error> {
        if !(0.0..1.0).contains(&ratio) {
            return Err(Error::MaskRatio { got: ratio });
        }
        Ok(Self { ratio })
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

    /// How many of `tokens` stay visible, `max(1, ⌊tokens·(1 − ratio)⌋)`.
    pub fn kept(&self, tokens: usize) -> usize {
        ((tokens as f64 * (1.0 - self.ratio)) as usize).max(1)
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
        let tokens = grid.tokens();
        if noise.len() != batch * tokens {
            return Err(Error::Shape {
                what: "noise values (batch, tokens)",
                expected: vec![batch, tokens],
                got: vec![noise.len()],
            });
        }
        let kept = self.kept(tokens);
        let mut keep = Vec::with_capacity(batch * kept);
        let mut restore = vec![0i32; batch * tokens];
        let mut mask = vec![1.0f32; batch * tokens];
        for (image, noise) in noise.chunks(tokens).enumerate() {
            let mut order: Vec<usize> = (0..tokens).collect();
            order.sort_by(|&a, &b| noise[a].total_cmp(&noise[b]));
            for (rank, &token) in order.iter().enumerate() {
                restore[image * tokens + token] = rank as i32;
                if rank < kept {
                    keep.push(token as i32);
                    mask[image * tokens + token] = 0.0;
                }
            }
        }
        Ok(MaskPlan {
            keep: Tensor::from_data(TensorData::new(keep, [batch, kept]), device),
            restore: Restore {
                index: Tensor::from_data(TensorData::new(restore, [batch, tokens]), device),
                mask: Tensor::from_data(TensorData::new(mask, [batch, tokens]), device),
                grid,
            },
        })
    }

    /// Masks tokens that are there already; the prefix stays.
    ///
    /// # Panics
    ///
    /// If there is not one noise value per patch token, or tokens were selected before.
    #[track_caller]
    pub fn apply(&self, tokens: Tokens, noise: &[f32]) -> (Tokens, Restore) {
        assert!(
            tokens.is_regular(),
            "masking needs one token per grid cell in row-major order"
        );
        let device = tokens.embeddings().device();
        let plan = self
            .plan(tokens.batch(), *tokens.grid(), noise, &device)
            .or_panic();
        (tokens.select(plan.keep), plan.restore)
    }
}

/// Uniform noise for [`RandomMask`], one value per patch, from a seeded generator on the host.
pub fn uniform_noise(batch: usize, tokens: usize, rng: &mut impl Rng) -> Vec<f32> {
    (0..batch * tokens).map(|_| rng.random()).collect()
}

/// What stays visible, and how to come back.
#[derive(Debug, Clone)]
pub struct MaskPlan {
    /// Visible cells, `[batch, kept]`, in ascending order of noise.
    pub keep: Tensor<2, Int>,
    /// The way back.
    pub restore: Restore,
}

/// Puts visible tokens back into their grid.
#[derive(Debug, Clone)]
pub struct Restore {
    index: Tensor<2, Int>,
    mask: Tensor<2>,
    grid: PatchGrid,
}

impl Restore {
    /// `[batch, tokens]`: 0 where a token was kept, 1 where it was masked.
    pub fn mask(&self) -> Tensor<2> {
        self.mask.clone()
    }

    /// `[batch, tokens]`: for each cell its place in (visible, masked) order, the reference's `ids_restore`.
    pub fn index(&self) -> Tensor<2, Int> {
        self.index.clone()
    }

    /// The whole grid again, `fill` (`[1, 1, dim]`, the mask token) where tokens were masked; the prefix stays.
    ///
    /// # Panics
    ///
    /// If the batch or the dim differs, or there are more visible tokens than cells.
    #[track_caller]
    pub fn apply(&self, visible: Tokens, fill: Tensor<3>) -> Tokens {
        let (batch, kept, dim) = (visible.batch(), visible.tokens(), visible.dim());
        let [rows, tokens] = self.index.dims();
        assert_eq!(batch, rows, "visible batch and masked batch");
        assert!(kept <= tokens, "{kept} visible tokens for {tokens} cells");
        let shuffled = match tokens - kept {
            0 => visible.patch_embeddings(),
            masked => {
                let fill = fill.expand([batch, masked, dim]);
                Tensor::cat(vec![visible.patch_embeddings(), fill], 1)
            }
        };
        let restored =
            Tokens::from_grid(crate::ops::gather_rows(shuffled, self.index()), self.grid);
        match visible.prefix_embeddings() {
            Some(prefix) => restored.with_prefix(prefix),
            None => restored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::Distribution;
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
        let restored = restore.apply(visible, Tensor::full([1, 1, 3], 9.0, &device));
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
        let restored = restore.apply(visible, Tensor::zeros([1, 1, 3], &device));
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
