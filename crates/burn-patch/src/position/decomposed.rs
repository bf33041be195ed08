//! Decomposed relative positions of MViTv2, ViTDet and SAM.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};

use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::position::offsets::offsets;
use crate::position::position::Position;
use crate::position::refusals::{one_grid, still};
use crate::position::relative_bias::offset_table::span;
use crate::position::site::Site;
use crate::resample::{Align, Filter, ResizeMatrix};
use crate::tokens::{Attend, AxisVectors, Decomposed, Layout, PlaceKind, Units};
use crate::{Error, Noise, Tokens};

const WHAT: &str = "these decomposed relative positions";

/// Configuration of [`DecomposedPosition`].
#[derive(Config, Debug)]
pub struct DecomposedPositionConfig {
    /// Initialiser of the tables: zeros in SAM and ViTDet, `N(0, 0.02)` in MViTv2.
    #[config(default = "Initializer::Zeros")]
    pub initializer: Initializer,
}

/// A bias of the scores that depends on the query: its product with a trained vector of the rows between it and the key,
/// and with one of the columns.
///
/// Li et al., [MViTv2](https://arxiv.org/abs/2112.01526), eq. 4 and 5; Li et al.,
/// [ViTDet](https://arxiv.org/abs/2203.16527); `segment_anything/modeling/image_encoder.py` (`get_rel_pos`).
///
/// # Shapes
///
/// - tokens on any grid, some of its cells, or off it
/// - [`Decomposed`] for queries of `heads` times `dim/heads`; nothing for prefix tokens and those without a place
///
/// # Equation
///
/// `bias[q, k] = Q[q]·R_h[Δy + rows − 1] + Q[q]·R_w[Δx + cols − 1]`, `Δ` the place of `q` less that of `k`. On another grid
/// the tables are those interpolated linearly to its offsets.
///
/// # Departures
///
/// Tokens off the grid get vectors between those of the table, and the outermost where they lie further apart than the
/// grid reaches. The heads share the tables, as in the sources.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{DecomposedPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let site = Site::new([2, 3], 8).with_blocks(12, 2);
/// let position = DecomposedPositionConfig::new().init(&site, &device);
/// assert_eq!(position.rel_pos_w[0].dims(), [5, 4]);
/// let tokens = embed.forward(Tensor::zeros([2, 1, 16, 16], &device)); // another grid
/// let attend = position.attend(&tokens, 0, &mut Noise::None);
/// let bias = attend.decomposed.unwrap().bias(tokens.embeddings(), 2);
/// assert_eq!(bias.dims(), [2, 2, 16, 16]);
/// ```
#[derive(Module, Debug)]
pub struct DecomposedPosition {
    /// Each block's vectors by rows between query and key, `[2·rows − 1, dim/heads]`; where a block attends within windows,
    /// the rows are those of a window.
    pub rel_pos_h: Vec<Param<Tensor<2>>>,
    /// Each block's vectors by columns between them, `[2·cols − 1, dim/heads]`, likewise.
    pub rel_pos_w: Vec<Param<Tensor<2>>>,
}

impl DecomposedPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid, no width, no heads or no blocks, [`Error::Indivisible`] if the heads do not
    /// divide the width, [`Error::Place`] for a clip.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<DecomposedPosition, Error> {
        nonzero("dim, heads and blocks", &[site.dim, site.heads, site.depth])?;
        still(WHAT, site)?;
        if !site.dim.is_multiple_of(site.heads) {
            return Err(Error::Indivisible {
                what: "heads of decomposed relative positions",
                divisor: site.heads,
                got: site.dim,
            });
        }
        let tables = |axis: usize| {
            let table = |block| {
                let shape = [span(site.attended(block)[axis]), site.dim / site.heads];
                self.initializer.init(shape, device)
            };
            (0..site.depth).map(table).collect()
        };
        Ok(DecomposedPosition {
            rel_pos_h: tables(0),
            rel_pos_w: tables(1),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> DecomposedPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for DecomposedPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_grid(WHAT, layout).map(drop)
    }

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, block: usize, _: &mut Noise<'_>) -> Attend {
        let places = tokens.places().kind();
        self.check(tokens.layout(), places, tokens.prefix())
            .or_panic();
        let grid = &tokens.layout().grids()[0];
        let sides = [grid.rows, grid.cols];
        let tables = [&self.rel_pos_h[block], &self.rel_pos_w[block]];
        let tables = [0, 1].map(|axis| resized(tables[axis].val(), sides[axis]));
        let shared = tokens.layout().shared().is_some();
        let (offsets, grid) = match places {
            PlaceKind::Cells if shared => (offsets_to_lines(tokens, sides), Some(sides)),
            _ => (offsets(tokens, Units::Cells), None),
        };
        let [y, x] = offsets;
        let [rows, cols] = tables;
        let whole = places != PlaceKind::Boxes;
        let decomposed = Decomposed {
            axes: [axis(rows, y, whole), axis(cols, x, whole)],
            grid,
            placed: tokens.placed(),
            prefix: tokens.prefix(),
        };
        Attend {
            decomposed: Some(decomposed),
            ..Attend::default()
        }
    }

    fn per_block(&self) -> bool {
        self.rel_pos_h.len() > 1
    }
}

/// The table for so many cells in a line, interpolated linearly if it is that of another number.
fn resized(table: Tensor<2>, cells: usize) -> Tensor<2> {
    let [from, _] = table.dims();
    if from == span(cells) {
        return table;
    }
    let matrix = ResizeMatrix::new(from, span(cells), Filter::Linear(Align::Edges));
    matrix.tensor(&table.device(), table.dtype()).matmul(table)
}

/// How much further down each cell of a grid of `[rows, cols]` lies than each of its rows, `[1, cells, rows]`, and how
/// much further right than each of its columns.
fn offsets_to_lines(tokens: &Tokens, sides: [usize; 2]) -> [Tensor<3>; 2] {
    let places = tokens.coordinates(Units::Cells);
    let device = places.device();
    [0, 1].map(|axis| {
        let lines = Tensor::<1, Int>::arange(0..sides[axis] as i64, &device).float();
        let place = places.clone().slice_dim(2, axis..axis + 1);
        let lines = lines.cast(place.dtype()).reshape([1, 1, sides[axis]]);
        place - lines
    })
}

/// Who has which vector, by offsets in cells, which are `whole` numbers or lie between.
fn axis(table: Tensor<2>, offsets: Tensor<3>, whole: bool) -> AxisVectors {
    let [count, _] = table.dims();
    let place = offsets + (count / 2) as f32;
    if whole {
        return AxisVectors {
            table,
            index: place.round().int(),
            share: None,
        };
    }
    let place = place.clamp(0.0, (count - 1) as f32);
    let low = place.clone().floor();
    AxisVectors {
        table,
        share: Some(place - low.clone()),
        index: low.int(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Places;
    use burn::tensor::{Distribution, Tolerance};

    fn tokens(device: &Device) -> Tokens {
        let grid = Window::patch([2, 3], Default::default());
        let grid = grid.layout([6, 12]).unwrap();
        Tokens::from_grid(Tensor::zeros([2, 12, 1], device), grid)
    }

    fn position(grid: [usize; 2], device: &Device) -> DecomposedPosition {
        DecomposedPositionConfig::new()
            .with_initializer(crate::layers::NORMAL)
            .init(&Site::new(grid, 8).with_blocks(2, 2), device)
    }

    fn bias(position: &DecomposedPosition, tokens: &Tokens, query: &Tensor<3>) -> Tensor<4> {
        let attend = position.attend(tokens, 1, &mut Noise::None);
        attend.decomposed.unwrap().bias(query.clone(), 2)
    }

    #[test]
    fn picked_cells_and_boxes_over_cells_have_the_biases_of_their_cells() {
        let device = Device::flex();
        for grid in [[3, 4], [5, 2]] {
            let position = position(grid, &device);
            let query = Tensor::random([2, 12, 8], Distribution::Default, &device);
            let all = bias(&position, &tokens(&device), &query);
            let close = Tolerance::<f32>::rel_abs(1e-4, 1e-7);

            let boxed = tokens(&device).with_places(Places::Boxes(tokens(&device).boxes_px()));
            let got = bias(&position, &boxed, &query).into_data();
            got.assert_approx_eq(&all.to_data(), close);

            let cells = Tensor::<1, Int>::from_ints([7, 3, 11], &device);
            let index = cells.clone().unsqueeze::<2>().repeat_dim(0, 2);
            let picked = tokens(&device).select(index);
            let some = query.select(1, cells.clone());
            let got = bias(&position, &picked, &some).into_data();
            let want = all.select(2, cells.clone()).select(3, cells).into_data();
            got.assert_approx_eq(&want, close);
        }
    }

    #[test]
    fn heads_that_do_not_divide_the_width_are_an_error() {
        let site = Site::new([2, 3], 8).with_blocks(1, 3);
        let error = DecomposedPositionConfig::new().try_init(&site, &Device::flex());
        assert!(matches!(error, Err(Error::Indivisible { .. })));
    }
}
