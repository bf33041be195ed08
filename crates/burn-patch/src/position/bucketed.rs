//! Learned positions in buckets of the image's sides.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::grid::{PatchGrid, nonzero};
use crate::ops::gather_rows;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::per_grid::per_grid;
use crate::position::position::Position;
use crate::position::refusals::one_frame;
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind, Places, Units};
use crate::{Error, Tokens};

/// Added to a fractional bucket before it is rounded down, so that rounding errors do not put a box into the bucket
/// before.
const NUDGE: f64 = 1e-4;

/// Configuration of [`BucketedPosition`].
#[derive(Config, Debug)]
pub struct BucketedPositionConfig {
    /// Initialiser of the table.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 0.02 }")]
    pub initializer: Initializer,
    /// Rows and columns of the table, where they are others than the [`Site`]'s; none: the site's.
    pub grid: Option<[usize; 2]>,
}

/// One trained vector per cell of a fixed grid over the image, whatever the grid of the tokens.
///
/// Laurençon et al., [Idefics2](https://arxiv.org/abs/2405.02246); transformers 5,
/// `models/idefics2/modeling_idefics2.py` (`Idefics2VisionEmbeddings`), whose `position_embedding.weight` is the table.
///
/// # Shapes
///
/// - tokens on any grid or off it, each image on its own, of one frame
/// - the same tokens; prefix tokens unchanged
///
/// # Equation
///
/// `ê = e + π[b(r/R), b(c/C)]` for the cell of row `r` of `R` and column `c` of `C`, with
/// `b(u) = |{k ≥ 1 : k/S ≤ min(u, 1 − 10⁻⁶)}|` and `S` the table's side. Neither interpolated nor smoothed: on a finer
/// grid neighbours share a vector, on a coarser one vectors are skipped.
///
/// # Departures
///
/// The table may be rectangular. Padding gets nothing of use. Tokens off the grid take the bucket of their box's top left
/// corner, which on the grid is the cell's.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{BucketedPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let position = BucketedPositionConfig::new().init(&Site::new([4, 4], 8), &device);
/// let tokens = embed.forward(Tensor::zeros([2, 1, 8, 40], &device));
/// assert_eq!(position.add(tokens, 0).embeddings().dims(), [2, 20, 8]);
/// ```
#[derive(Module, Debug)]
pub struct BucketedPosition {
    /// The table, `[1, rows·cols, dim]`.
    pub pos_embed: Param<Tensor<3>>,
    grid: [usize; 2],
}

impl BucketedPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or dim.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<BucketedPosition, Error> {
        nonzero("grid", &site.grid)?;
        nonzero("dim", &[site.dim])?;
        let [_, rows, cols] = site.grid;
        let [rows, cols] = self.grid.unwrap_or([rows, cols]);
        nonzero("grid of the table", &[rows, cols])?;
        Ok(BucketedPosition {
            pos_embed: self.initializer.init([1, rows * cols, site.dim], device),
            grid: [rows, cols],
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> BucketedPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for BucketedPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame("these buckets of rows and columns", layout)
    }

    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        if before_block > 0 {
            return tokens;
        }
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let table = self.pos_embed.val();
        let [_, _, dim] = table.dims();
        assert_eq!(
            tokens.dim(),
            dim,
            "the tokens' dim and the position table's"
        );
        let buckets = match tokens.places() {
            Places::Cells => self.of_cells(tokens.layout(), &table.device()),
            Places::Picked(cells) => {
                let all = self.of_cells(tokens.layout(), &table.device());
                let [_, each] = all.dims();
                all.expand([tokens.batch(), each]).gather(1, cells.clone())
            }
            Places::Boxes(_) => self.of_boxes(&tokens),
        };
        let patches = gather_rows(table, buckets);
        add(tokens, patches, None)
    }
}

impl BucketedPosition {
    /// The bucket of every cell, `[grids, cells of the largest]`.
    fn of_cells(&self, layout: &Layout, device: &Device) -> Tensor<2, Int> {
        let (grids, cells) = (layout.grids(), layout.cells());
        let mut buckets = Vec::with_capacity(grids.len() * cells);
        for (index, grid) in grids.iter().enumerate() {
            buckets.extend(self.of_grid(grid));
            buckets.resize((index + 1) * cells, 0);
        }
        Tensor::from_data(TensorData::new(buckets, [grids.len(), cells]), device)
    }

    fn of_grid(&self, grid: &PatchGrid) -> impl Iterator<Item = i32> {
        let [rows, cols] = self.grid;
        let down: Vec<usize> = (0..grid.rows)
            .map(|row| bucket(row, grid.rows, rows))
            .collect();
        let across: Vec<usize> = (0..grid.cols)
            .map(|col| bucket(col, grid.cols, cols))
            .collect();
        down.into_iter().flat_map(move |row| {
            let across = across.clone().into_iter();
            across.map(move |col| (row * cols + col) as i32)
        })
    }

    /// The bucket of each box's top left corner, `[batch, tokens]`.
    fn of_boxes(&self, tokens: &Tokens) -> Tensor<2, Int> {
        let places = tokens.coordinates(Units::Cells);
        let sides = tokens.boxes_px().cast(places.dtype()).slice_dim(2, 2..4);
        let half = per_grid(tokens.layout(), &places, |grid| {
            grid.window.stride.map(|stride| 0.5 / stride as f64)
        });
        let scale = per_grid(tokens.layout(), &places, |grid| {
            let [rows, cols] = self.grid.map(|side| side as f64);
            [rows / grid.rows as f64, cols / grid.cols as f64]
        });
        let corner = (places + 0.5 - sides * half) * scale + NUDGE;
        let [row, col] = [0, 1].map(|axis| {
            let last = (self.grid[axis] - 1) as f64;
            let along = corner.clone().slice_dim(2, axis..axis + 1);
            along.floor().clamp(0.0, last)
        });
        (row * self.grid[1] as f64 + col).squeeze_dim::<2>(2).int()
    }
}

/// How many of the boundaries `k/side` lie at or before `cell` of `cells`: in `f32` where the reference is, since it
/// decides ties.
fn bucket(cell: usize, cells: usize, side: usize) -> usize {
    let place = (cell as f32 * (1.0 / cells as f32)).min(1.0 - 1e-6);
    let step = 1.0 / side as f64;
    let boundaries = (0..side - 1).map(|index| (step + index as f64 * step) as f32);
    boundaries.filter(|boundary| *boundary <= place).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;

    fn position(grid: [usize; 2], device: &Device) -> BucketedPosition {
        BucketedPositionConfig::new().init(&Site::new(grid, 4), device)
    }

    fn tokens(size: [usize; 2], device: &Device) -> Tokens {
        let grid = Window::patch([2, 2], Default::default())
            .layout(size)
            .unwrap();
        Tokens::from_grid(Tensor::zeros([1, grid.tokens(), 4], device), grid)
    }

    #[test]
    fn buckets_are_the_shares_of_the_side() {
        let of = |cells: usize, side: usize| {
            (0..cells)
                .map(|cell| bucket(cell, cells, side))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(4, 4), [0, 1, 2, 3]);
        assert_eq!(of(8, 4), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(of(2, 4), [0, 2]);
        assert_eq!(of(3, 4), [0, 1, 2]);
        assert_eq!(of(5, 1), [0; 5]);
    }

    #[test]
    fn boxes_over_cells_are_in_their_buckets() {
        let device = Device::flex();
        let position = position([4, 3], &device);
        for size in [[8, 6], [4, 14], [10, 2], [22, 26]] {
            let tokens = tokens(size, &device);
            let boxed = tokens.clone().with_places(Places::Boxes(tokens.boxes_px()));
            let [on, off] = [tokens, boxed].map(|tokens| position.add(tokens, 0));
            let want = on.into_embeddings().into_data();
            off.into_embeddings().into_data().assert_eq(&want, true);
        }
    }

    #[test]
    fn selecting_then_adding_equals_adding_then_selecting() {
        let device = Device::flex();
        let position = position([2, 2], &device);
        let tokens = tokens([6, 10], &device);
        let index = Tensor::from_ints([[14, 0, 7]], &device);
        let before = position.add(tokens.clone(), 0).select(index.clone());
        let after = position.add(tokens.select(index), 0);
        let want = before.into_embeddings().into_data();
        after.into_embeddings().into_data().assert_eq(&want, true);
    }

    #[test]
    fn a_clip_is_refused() {
        let device = Device::flex();
        let clip = tokens([4, 4], &device).grid().over_frames(2).into();
        let refused = position([2, 2], &device).check(&clip, PlaceKind::Cells, 0);
        assert!(matches!(refused, Err(Error::Place { .. })));
    }
}
