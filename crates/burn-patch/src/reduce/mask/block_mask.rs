//! BEiT's mask of blocks.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

use crate::grid::{PatchGrid, nonzero};
use crate::or_panic::OrPanic;
use crate::reduce::mask::grid_mask::whole_grid;
use crate::reduce::mask::kept::{Kept, MaskPlan, check_ratio, expect_noise, kept_of};
use crate::reduce::reduce::{Reduce, Reduced, Seen};
use crate::tokens::PlaceKind;
use crate::{Error, Noise, Tokens};

/// Values of noise for each try at a block: area, aspect, top, left.
const TRY: usize = 4;
/// Tries that may fail one after another before the rest is masked patch by patch.
const FAILURES: usize = 10;

/// Configuration of [`BlockMask`].
#[derive(Config, Debug)]
pub struct BlockMaskConfig {
    /// Share of the patches that is masked, in `[0, 1)`.
    pub ratio: f64,
    /// Patches to keep whatever the ratio; none: by the ratio.
    pub keep: Option<usize>,
    /// Least area of a block, in patches. 4 is the default of BEiT's generator; its training asks for 16.
    #[config(default = 4)]
    pub least: usize,
    /// Greatest area of a block, in patches; none: all that are to be masked.
    pub most: Option<usize>,
    /// Least height of a block over its width, in `(0, 1]`; the greatest is the inverse.
    #[config(default = 0.3)]
    pub aspect: f64,
}

/// Block-wise masking: masks rectangles until enough patches are masked.
///
/// Bao et al., [BEiT](https://arxiv.org/abs/2106.08254), algorithm 1; `microsoft/unilm`, `beit/masking_generator.py`
/// (`MaskingGenerator`). As many are kept as by a [`RandomMask`](crate::reduce::RandomMask) of the same ratio.
///
/// # Shapes
///
/// - one token per cell of a grid
/// - those that no block covers, in row-major order
///
/// # Algorithm
///
/// A try at a block takes four values of noise `u`: area `least + (most − least)·u₀`, where `most` is no more than
/// what is left to mask; height over width `exp(ln aspect·(1 − 2·u₁))`; height `√(area·aspect)` and width
/// `√(area/aspect)`, rounded, halves to even; and, where both are less than the grid's, top and left
/// `⌊(side − block + 1)·u⌋` from `u₂` and `u₃`, which are taken in any case. The block counts if it masks at least one new
/// patch and no more than `most`. After ten tries in a row that do not count, the reference stops.
///
/// # Departures
///
/// The reference then has masked too few, and batches of images of different numbers of visible patches. Here what is
/// missing is masked patch by patch, those with the least noise first, so that the number is exact. For an image of
/// `n` patches the noise is `4·n` values for at most `n` tries, then `n` values for that.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::grid::{Remainder, Window};
/// use burn_patch::reduce::BlockMaskConfig;
///
/// let device = Device::flex();
/// let grid = Window::patch([1, 1], Remainder::Reject).layout([3, 4])?;
/// let mask = BlockMaskConfig::new(0.5).init(&device);
/// let plan = mask.plan(1, grid, &[0.5; 5 * 12], &device)?;
/// plan.restore.mask().into_data().assert_eq(
///     &[[1.0f32, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]].into(),
///     true,
/// );
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct BlockMask {
    ratio: f64,
    keep: Option<usize>,
    least: usize,
    most: Option<usize>,
    aspect: f64,
}

impl BlockMaskConfig {
    /// Keeps `tokens` tokens, of any width.
    pub fn for_tokens(tokens: usize, _dim: usize) -> Self {
        Self::new(0.0).with_keep(Some(tokens))
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::MaskRatio`] outside `[0, 1)`, [`Error::Zero`] for no patch to keep or blocks of none,
    /// [`Error::Range`] for an aspect outside `(0, 1]`.
    pub fn try_init(&self, _device: &Device) -> Result<BlockMask, Error> {
        check_ratio(self.ratio)?;
        nonzero("patches to keep", &[self.keep.unwrap_or(1)])?;
        nonzero(
            "patches of a block",
            &[self.least, self.most.unwrap_or(self.least)],
        )?;
        if !(self.aspect > 0.0 && self.aspect <= 1.0) {
            return Err(Error::Range {
                what: "least aspect of a block",
                expected: "a ratio in (0, 1]".into(),
                got: self.aspect,
            });
        }
        Ok(BlockMask {
            ratio: self.ratio,
            keep: self.keep,
            least: self.least,
            most: self.most,
            aspect: self.aspect,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> BlockMask {
        self.try_init(device).or_panic()
    }
}

impl BlockMask {
    /// How many of `tokens` stay visible.
    pub fn kept(&self, tokens: usize) -> usize {
        let kept = self.keep.unwrap_or_else(|| kept_of(tokens, self.ratio));
        kept.min(tokens)
    }

    /// Decides what to keep before anything is embedded.
    ///
    /// `noise` holds five values per patch, images one after another.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if there is not that much noise, [`Error::Irregular`] for a grid of several frames.
    pub fn plan(
        &self,
        batch: usize,
        grid: PatchGrid,
        noise: &[f32],
        device: &Device,
    ) -> Result<MaskPlan, Error> {
        if grid.frames > 1 {
            return Err(Error::Irregular {
                what: "a block mask",
                because: "taken from several frames",
            });
        }
        Ok(self.draw(batch, &grid, noise)?.plan(grid.into(), device))
    }

    fn draw(&self, batch: usize, grid: &PatchGrid, noise: &[f32]) -> Result<Kept, Error> {
        let tokens = grid.tokens();
        let each = (TRY + 1) * tokens;
        expect_noise(noise, [batch, each])?;
        let images = noise.chunks(each.max(1)).map(|noise| {
            let masked = self.image(grid, noise);
            (0..tokens).filter(|&cell| !masked[cell]).collect()
        });
        Ok(Kept::new(images.collect(), tokens))
    }

    /// What is masked of one image.
    fn image(&self, grid: &PatchGrid, noise: &[f32]) -> Vec<bool> {
        let tokens = grid.tokens();
        let (tries, rest) = noise.split_at(TRY * tokens);
        let goal = tokens - self.kept(tokens);
        let (mut masked, mut count, mut failed) = (vec![false; tokens], 0, 0);
        for draw in tries.chunks(TRY) {
            if count == goal || failed == FAILURES {
                break;
            }
            let most = self.most.unwrap_or(goal).min(goal - count);
            let fresh = self.block(grid, draw, most).map(|mut block| {
                block.retain(|&cell| !masked[cell]);
                block
            });
            match fresh {
                Some(cells) if !cells.is_empty() && cells.len() <= most => {
                    count += cells.len();
                    cells.into_iter().for_each(|cell| masked[cell] = true);
                    failed = 0;
                }
                _ => failed += 1,
            }
        }
        let mut open: Vec<usize> = (0..tokens).filter(|&cell| !masked[cell]).collect();
        open.sort_by(|&a, &b| rest[a].total_cmp(&rest[b]));
        open[..goal - count]
            .iter()
            .for_each(|&cell| masked[cell] = true);
        masked
    }

    /// The cells of a block, by the four values of a try; none where it is as large as the grid.
    fn block(&self, grid: &PatchGrid, draw: &[f32], most: usize) -> Option<Vec<usize>> {
        let [area, aspect, top, left] = [0, 1, 2, 3].map(|value| f64::from(draw[value]));
        let (least, most) = (self.least as f64, most as f64);
        let area = least + (most - least) * area;
        let aspect = (self.aspect.ln() * (1.0 - 2.0 * aspect)).exp();
        let [height, width] =
            [area * aspect, area / aspect].map(|square| square.sqrt().round_ties_even() as usize);
        if height >= grid.rows || width >= grid.cols {
            return None;
        }
        let place = |room: usize, draw: f64| ((room as f64 * draw) as usize).min(room - 1);
        let top = place(grid.rows - height + 1, top);
        let left = place(grid.cols - width + 1, left);
        let rows = top..top + height;
        let cells = rows.flat_map(|row| (left..left + width).map(move |col| (row, col)));
        Some(cells.map(|(row, col)| row * grid.cols + col).collect())
    }
}

impl Reduce for BlockMask {
    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        Ok(self.kept(tokens))
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        whole_grid("a block mask", places)
    }

    fn noise(&self, batch: usize, tokens: usize) -> usize {
        (TRY + 1) * batch * tokens
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, noise: &mut Noise<'_>) -> Reduced {
        let grid = *tokens.feature_grid().or_panic();
        let batch = tokens.batch();
        let noise = noise
            .take("a block mask", self.noise(batch, grid.tokens()))
            .or_panic();
        self.draw(batch, &grid, &noise).or_panic().reduce(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Noise;
    use crate::grid::{Remainder, Window};
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rstest::rstest;

    fn grid(rows: usize, cols: usize) -> PatchGrid {
        let window = Window::patch([1, 1], Remainder::Reject);
        window.layout([rows, cols]).unwrap()
    }

    fn masks(config: &BlockMaskConfig, grid: PatchGrid, seed: u64) -> Vec<Vec<bool>> {
        let mask = config.init(&Device::flex());
        let mut rng = StdRng::seed_from_u64(seed);
        let noise = Noise::Drawn(&mut rng)
            .take("masks", 20 * 5 * grid.tokens())
            .unwrap();
        let images = noise.chunks(5 * grid.tokens());
        images.map(|noise| mask.image(&grid, noise)).collect()
    }

    #[rstest]
    fn every_image_has_exactly_as_many_masked(#[values(0.0, 0.4, 0.75, 0.95)] ratio: f64) {
        for (rows, cols) in [(14, 14), (3, 5), (1, 7), (2, 2)] {
            let config = BlockMaskConfig::new(ratio);
            let goal = rows * cols - config.init(&Device::flex()).kept(rows * cols);
            for masked in masks(&config, grid(rows, cols), 7) {
                assert_eq!(masked.iter().filter(|masked| **masked).count(), goal);
            }
        }
    }

    /// Neighbours share their fate more often than by chance: that is what blocks are for.
    #[test]
    fn masked_patches_lie_together() {
        let config = BlockMaskConfig::new(0.4).with_least(16);
        let (mut together, mut pairs) = (0, 0);
        for masked in masks(&config, grid(14, 14), 3) {
            for cell in (0..196).filter(|cell| cell % 14 < 13 && masked[*cell]) {
                pairs += 1;
                together += usize::from(masked[cell + 1]);
            }
        }
        let share = together as f64 / pairs as f64;
        assert!(share > 0.7, "{share}");
    }

    #[test]
    fn a_wrong_setting_is_an_error() {
        let device = Device::flex();
        let error = |config: BlockMaskConfig| config.try_init(&device).unwrap_err();
        let whole = error(BlockMaskConfig::new(1.0));
        assert_eq!(whole, Error::MaskRatio { got: 1.0 });
        let flat = error(BlockMaskConfig::new(0.5).with_aspect(0.0));
        assert!(matches!(flat, Error::Range { .. }));
        let empty = error(BlockMaskConfig::new(0.5).with_least(0));
        assert!(matches!(empty, Error::Zero { .. }));
        let mask = BlockMaskConfig::new(0.5).init(&device);
        let short = mask.plan(1, grid(2, 2), &[0.5; 4], &device);
        assert!(matches!(short, Err(Error::Shape { .. })));
    }
}
