//! A mask that leaves a regular grid.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

use crate::grid::{PatchGrid, nonzero};
use crate::or_panic::OrPanic;
use crate::reduce::mask::kept::{Kept, MaskPlan};
use crate::reduce::reduce::{Reduce, Reduced, Seen};
use crate::tokens::PlaceKind;
use crate::{Error, Noise, Tokens};

/// Configuration of [`GridMask`].
#[derive(Config, Debug)]
pub struct GridMaskConfig {
    /// One of so many rows and one of so many columns stays.
    #[config(default = "[2, 2]")]
    pub every: [usize; 2],
    /// The first row and column that stay; below `every`.
    #[config(default = "[0, 0]")]
    pub first: [usize; 2],
}

/// Grid-wise masking: keeps the patches of a coarser grid, one of every four by default.
///
/// He et al., [Masked Autoencoders](https://arxiv.org/abs/2111.06377), section 4.1 and figure 6, "grid-wise sampling,
/// which regularly keeps one of every four patches".
///
/// # Shapes
///
/// - one token per cell of `rows × cols`, `every` divides both
/// - those of the cells at `row ≡ first₀ (mod every₀)`, `col ≡ first₁ (mod every₁)`, in row-major order
///
/// It draws nothing, so it is the same for every image.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::{GridMaskConfig, Reduce, Seen};
///
/// let device = Device::flex();
/// let tokens = patchify(Tensor::ones([1, 1, 2, 4], &device), [1, 1], FlatOrder::default()).unwrap();
/// let mask = GridMaskConfig::new().init(&device);
/// let reduced = mask.reduce(tokens, Seen::Tokens, 0, &mut Noise::None);
/// let masked = reduced.restore.unwrap().mask();
/// masked.into_data().assert_eq(&[[0.0f32, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]].into(), true);
/// ```
#[derive(Module, Debug)]
pub struct GridMask {
    every: [usize; 2],
    first: [usize; 2],
}

impl GridMaskConfig {
    /// Keeps a quarter of the tokens, whatever `tokens` says: a regular grid has no other number.
    pub fn for_tokens(_tokens: usize, _dim: usize) -> Self {
        Self::new()
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a step of 0, [`Error::Range`] for a first row or column beyond the step.
    pub fn try_init(&self, _device: &Device) -> Result<GridMask, Error> {
        nonzero("steps of a grid mask", &self.every)?;
        for (first, every) in self.first.iter().zip(self.every) {
            if *first >= every {
                return Err(Error::Range {
                    what: "first row or column of a grid mask",
                    expected: format!("less than the step of {every}"),
                    got: *first as f64,
                });
            }
        }
        Ok(GridMask {
            every: self.every,
            first: self.first,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> GridMask {
        self.try_init(device).or_panic()
    }
}

impl GridMask {
    /// Decides what to keep before anything is embedded.
    ///
    /// # Errors
    ///
    /// [`Error::Indivisible`] for a grid that the steps do not divide, [`Error::Irregular`] for one of several frames.
    pub fn plan(&self, batch: usize, grid: PatchGrid, device: &Device) -> Result<MaskPlan, Error> {
        if grid.frames > 1 {
            return Err(Error::Irregular {
                what: "a grid mask",
                because: "taken from several frames",
            });
        }
        Ok(self.keep(batch, &grid)?.plan(grid.into(), device))
    }

    /// How many patches of `grid` stay visible.
    ///
    /// # Errors
    ///
    /// [`Error::Indivisible`] for a grid that the steps do not divide.
    pub fn kept(&self, grid: &PatchGrid) -> Result<usize, Error> {
        let sides = [("rows", grid.rows), ("columns", grid.cols)];
        for ((what, got), divisor) in sides.into_iter().zip(self.every) {
            divisible(what, got, divisor)?;
        }
        Ok(grid.tokens() / (self.every[0] * self.every[1]))
    }

    fn keep(&self, batch: usize, grid: &PatchGrid) -> Result<Kept, Error> {
        self.kept(grid)?;
        let cells = |side: usize, axis: usize| {
            let cells = self.first[axis]..side;
            cells.step_by(self.every[axis])
        };
        let kept: Vec<usize> = cells(grid.rows, 0)
            .flat_map(|row| cells(grid.cols, 1).map(move |col| row * grid.cols + col))
            .collect();
        Ok(Kept::new(vec![kept; batch], grid.tokens()))
    }
}

fn divisible(what: &'static str, got: usize, divisor: usize) -> Result<(), Error> {
    match got.is_multiple_of(divisor) {
        true => Ok(()),
        false => Err(Error::Indivisible { what, divisor, got }),
    }
}

impl Reduce for GridMask {
    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        let [rows, cols] = self.every;
        divisible("tokens under a grid mask", tokens, rows * cols)?;
        Ok(tokens / (rows * cols))
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        whole_grid("a grid mask", places)
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, _: &mut Noise<'_>) -> Reduced {
        let grid = *tokens.feature_grid().or_panic();
        let kept = self.keep(tokens.batch(), &grid).or_panic();
        kept.reduce(tokens)
    }
}

/// Picked cells of a whole grid; anything else is refused.
pub(crate) fn whole_grid(what: &'static str, places: PlaceKind) -> Result<PlaceKind, Error> {
    match places {
        PlaceKind::Cells => Ok(PlaceKind::Picked),
        PlaceKind::Picked | PlaceKind::Boxes => Err(Error::Irregular {
            what,
            because: "selected or moved",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};

    fn grid(rows: usize, cols: usize) -> PatchGrid {
        let window = Window::patch([1, 1], Remainder::Reject);
        window.layout([rows, cols]).unwrap()
    }

    #[test]
    fn one_of_every_six_patches_stays_on_a_grid_of_its_own() {
        let device = Device::flex();
        let config = GridMaskConfig::new().with_every([2, 3]).with_first([1, 2]);
        let plan = config.init(&device).plan(2, grid(4, 6), &device).unwrap();
        let want = [[8i64, 11, 20, 23]; 2];
        let keep = plan.keep.into_data().convert::<i64>();
        keep.assert_eq(&want.into(), true);
        assert_eq!(config.init(&device).output(24, 0), Ok(4));
    }

    #[test]
    fn a_grid_that_the_step_does_not_divide_is_an_error() {
        let device = Device::flex();
        let mask = GridMaskConfig::new().init(&device);
        let error = mask.plan(1, grid(3, 4), &device).unwrap_err();
        let want = "rows: expected a dimension divisible by 2, got 3";
        assert_eq!(error.to_string(), want);
        let beyond = GridMaskConfig::new().with_first([0, 2]);
        assert!(matches!(beyond.try_init(&device), Err(Error::Range { .. })));
    }
}
