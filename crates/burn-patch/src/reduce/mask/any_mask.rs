//! The mask of an MAE, chosen at run time.

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::PatchGrid;
use crate::or_panic::OrPanic;
use crate::reduce::mask::block_mask::{BlockMask, BlockMaskConfig};
use crate::reduce::mask::grid_mask::{GridMask, GridMaskConfig};
use crate::reduce::mask::kept::MaskPlan;
use crate::reduce::mask::random_mask::{RandomMask, RandomMaskConfig};
use crate::reduce::reduce::Reduce;

/// Configuration of [`AnyMask`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AnyMaskConfig {
    /// [`RandomMask`].
    Random(RandomMaskConfig),
    /// [`BlockMask`].
    Block(BlockMaskConfig),
    /// [`GridMask`].
    Grid(GridMaskConfig),
}

/// Masks whose visible patches are known before anything is embedded, and equally many in each image: MAE's random,
/// block-wise and grid-wise sampling.
///
/// He et al., [Masked Autoencoders](https://arxiv.org/abs/2111.06377), table 1f and figure 6.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::grid::{Remainder, Window};
/// use burn_patch::reduce::{AnyMaskConfig, GridMaskConfig};
///
/// let device = Device::flex();
/// let grid = Window::patch([1, 1], Remainder::Reject).layout([4, 6])?;
/// let mask = AnyMaskConfig::Grid(GridMaskConfig::new()).init(&device);
/// assert_eq!((mask.kept(&grid)?, mask.noise(2, &grid)), (6, 0));
/// assert_eq!(mask.plan(2, grid, &[], &device)?.keep.dims(), [2, 6]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Module, Debug)]
pub enum AnyMask {
    /// A random choice.
    Random(RandomMask),
    /// What rectangles do not cover.
    Block(BlockMask),
    /// A coarser grid.
    Grid(GridMask),
}

impl AnyMaskConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// Those of the mask.
    pub fn try_init(&self, device: &Device) -> Result<AnyMask, Error> {
        match self {
            Self::Random(config) => config.try_init(device).map(AnyMask::Random),
            Self::Block(config) => config.try_init(device).map(AnyMask::Block),
            Self::Grid(config) => config.try_init(device).map(AnyMask::Grid),
        }
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> AnyMask {
        self.try_init(device).or_panic()
    }
}

impl AnyMask {
    /// How many patches of `grid` stay visible.
    ///
    /// # Errors
    ///
    /// If the mask does not fit the grid.
    pub fn kept(&self, grid: &PatchGrid) -> Result<usize, Error> {
        let tokens = grid.tokens();
        match self {
            Self::Random(mask) => mask.output(tokens, 0),
            Self::Block(mask) => mask.output(tokens, 0),
            Self::Grid(mask) => mask.kept(grid),
        }
    }

    /// Values of noise that [`plan`](Self::plan) needs.
    pub fn noise(&self, batch: usize, grid: &PatchGrid) -> usize {
        let tokens = grid.tokens();
        match self {
            Self::Random(mask) => mask.noise(batch, tokens),
            Self::Block(mask) => mask.noise(batch, tokens),
            Self::Grid(mask) => mask.noise(batch, tokens),
        }
    }

    /// Decides what to keep before anything is embedded, by [as much noise as it needs](Self::noise).
    ///
    /// # Errors
    ///
    /// Those of the mask's own `plan`.
    pub fn plan(
        &self,
        batch: usize,
        grid: PatchGrid,
        noise: &[f32],
        device: &Device,
    ) -> Result<MaskPlan, Error> {
        match self {
            Self::Random(mask) => mask.plan(batch, grid, noise, device),
            Self::Block(mask) => mask.plan(batch, grid, noise, device),
            Self::Grid(mask) => mask.plan(batch, grid, device),
        }
    }
}
