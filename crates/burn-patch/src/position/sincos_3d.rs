//! Fixed sine-cosine positions of frame, row and column.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::position::Position;
use crate::position::rotary::places;
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind, Places};
use crate::{Error, Tokens};

const WHAT: &str = "sine-cosine positions of frame, row and column";

/// Which library's arrangement of a clip's sines and cosines.
///
/// `[sin, cos]` of an axis with `q` frequencies is `sin(p·ωᵢ)` for each `i`, then `cos(p·ωᵢ)`, with
/// `ωᵢ = 10000^(−i/q)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SinCos3dDialect {
    /// `[sin, cos]` of the frame over half the width, of the row and of the column over a quarter each: V-JEPA.
    #[default]
    VJepa,
    /// `[sin, cos]` of frame, row and column over `2⌈dim/6⌉` values each, cut off at `dim`: V-JEPA's `uniform_power`.
    VJepaUniform,
    /// `[sin, cos]` of the frame over a quarter of the width, then of column and row over three eighths each:
    /// PyTorchVideo's `get_3d_sincos_pos_embed`, CogVideoX.
    PyTorchVideo,
    /// `[sin, cos]` of column, row and frame with `q = ⌊dim/6⌋`, `ωᵢ = 10000^(−i/(q − 1))`, then zeros up to `dim`:
    /// vit-pytorch's `simple_vit_3d`.
    SimpleVit,
    /// `sin(n·ωᵢ)` and `cos(n·ωᵢ)` in turns with `q = dim/2`, `n` the token's number, frame after frame: VideoMAE.
    VideoMae,
}

/// Configuration of [`SinCos3dPosition`].
#[derive(Config, Debug)]
pub struct SinCos3dPositionConfig {
    /// Arrangement.
    #[config(default = "SinCos3dDialect::VJepa")]
    pub dialect: SinCos3dDialect,
}

/// Fixed sines and cosines of the frame, the row and the column, added to each token.
///
/// Bardes et al., [V-JEPA](https://arxiv.org/abs/2404.08471); facebookresearch/jepa, `src/models/utils/pos_embs.py`
/// (`get_3d_sincos_pos_embed`); the other dialects as [`SinCos3dDialect`] names them.
///
/// # Shapes
///
/// - tokens of width `dim` of a clip, on any grid; of an image, a clip of one frame, off it too
/// - the same tokens; prefix tokens unchanged
///
/// # Equation
///
/// `π(t, y, x) = [sin(t·ω), cos(t·ω), sin(y·ω'), cos(y·ω'), sin(x·ω'), cos(x·ω')]`, `ωᵢ = 10000^(−4i/dim)`,
/// `ω'ᵢ = 10000^(−8i/dim)`, in V-JEPA's dialect.
///
/// # Departures
///
/// Off the grid of an image, places are fractions of rows and columns; boxes of a clip are refused, since they say no
/// frame.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{Position, SinCos3dPositionConfig, Site};
/// use burn_patch::tokens::Places;
/// use burn_patch::Tokens;
///
/// let device = Device::flex();
/// let image = patchify(Tensor::zeros([1, 1, 2, 2], &device), [2, 2], FlatOrder::default()).unwrap();
/// let grid = image.grid().over_frames(2);
/// let position = SinCos3dPositionConfig::new().init(&Site::over(&grid, 8), &device);
/// let clip = Tokens::from_grid(Tensor::zeros([1, 2, 8], &device), grid);
/// let ((sin, cos), (sin2, cos2)) = (1f32.sin_cos(), 0.01f32.sin_cos());
/// position.add(clip, 0).embeddings().into_data().assert_approx_eq::<f32>(
///     &[[[0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0], [sin, sin2, cos, cos2, 0.0, 1.0, 0.0, 1.0]]].into(),
///     burn::tensor::Tolerance::rel_abs(1e-6, 1e-7),
/// );
/// ```
#[derive(Module, Debug)]
pub struct SinCos3dPosition {
    /// The table for `grid`, `[1, frames·rows·cols, dim]`; fixed, so not saved.
    table: Tensor<3>,
    grid: [usize; 3],
    #[module(skip)]
    dialect: SinCos3dDialect,
}

impl SinCos3dPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or dim, [`Error::Indivisible`] or [`Error::Range`] for a dim that the dialect
    /// cannot share out.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<SinCos3dPosition, Error> {
        nonzero("grid", &site.grid)?;
        Ok(SinCos3dPosition {
            table: table(&[site.grid], site.dim, self.dialect, device)?,
            grid: site.grid,
            dialect: self.dialect,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> SinCos3dPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for SinCos3dPosition {
    fn check(&self, layout: &Layout, kind: PlaceKind, _: usize) -> Result<(), Error> {
        let clip = layout.grids().iter().any(|grid| grid.frames > 1);
        match kind {
            PlaceKind::Boxes if clip => Err(Error::Place {
                what: WHAT,
                expected: "cells of its grid".into(),
                got: "boxes off the grid of a clip".into(),
            }),
            _ => Ok(()),
        }
    }

    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        if before_block > 0 {
            return tokens;
        }
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let [_, _, dim] = self.table.dims();
        assert_eq!(
            tokens.dim(),
            dim,
            "the tokens' dim and the position table's"
        );
        let dtype = tokens.embeddings().dtype();
        let waves = match tokens.places() {
            Places::Cells | Places::Picked(_) => tokens.at_cells(self.table(tokens.layout())),
            Places::Boxes(_) => self.waves(&tokens),
        };
        add(tokens, waves.cast(dtype), None)
    }

    fn packs(&self) -> bool {
        true
    }
}

impl SinCos3dPosition {
    /// The table of each grid, computed anew where it is not the one prepared.
    fn table(&self, layout: &Layout) -> Tensor<3> {
        let grids = layout.grids().iter();
        let grids: Vec<[usize; 3]> = grids
            .map(|grid| [grid.frames, grid.rows, grid.cols])
            .collect();
        if grids == [self.grid] {
            return self.table.clone();
        }
        let [_, _, dim] = self.table.dims();
        table(&grids, dim, self.dialect, &self.table.device()).or_panic()
    }

    /// The waves at fractional places of images, `[1 or batch, tokens, dim]`.
    fn waves(&self, tokens: &Tokens) -> Tensor<3> {
        let [_, _, dim] = self.table.dims();
        let places = places(tokens);
        let [batch, count, _] = places.dims();
        let options = (&places.device(), places.dtype());
        let cols = tokens.layout().grids().iter().map(|grid| grid.cols as f64);
        let cols = TensorData::new(cols.collect(), [tokens.layout().grids().len(), 1, 1]);
        let [row, col] = [0, 1].map(|axis| places.clone().slice_dim(2, axis..axis + 1));
        let cols = tokens.by_grid(Tensor::from_data(cols, options));
        let number = row.clone() * cols + col.clone();
        let frame = Tensor::zeros([batch, count, 1], options);
        // In the order of `Axis`.
        let places = Tensor::cat(vec![frame, row, col, number], 2);

        let columns = columns(dim, self.dialect).or_panic();
        let axes: Vec<i32> = columns.iter().map(|column| column.axis as i32).collect();
        let axes = Tensor::<1, Int>::from_ints(axes.as_slice(), &places.device());
        let row = |of: &dyn Fn(&Column) -> f64| {
            let values: Vec<f64> = columns.iter().map(of).collect();
            Tensor::<3>::from_data(TensorData::new(values, [1, 1, dim]), options)
        };
        let share = |wave| row(&|column: &Column| f64::from(u8::from(column.wave == wave)));
        let angles = places.select(2, axes) * row(&|column| column.omega);
        angles.clone().sin() * share(Wave::Sin) + angles.cos() * share(Wave::Cos)
    }
}

/// What a value depends on.
#[derive(Clone, Copy)]
enum Axis {
    Frame,
    Row,
    Col,
    /// The token's number, frame after frame.
    Token,
}

#[derive(Clone, Copy, PartialEq)]
enum Wave {
    Sin,
    Cos,
    /// 0.
    None,
}

/// A column of the table.
#[derive(Clone, Copy)]
struct Column {
    axis: Axis,
    wave: Wave,
    omega: f64,
}

/// The columns, `dim` of them.
fn columns(dim: usize, dialect: SinCos3dDialect) -> Result<Vec<Column>, Error> {
    nonzero("dim", &[dim])?;
    let divisible = |divisor: usize| match dim.is_multiple_of(divisor) {
        true => Ok(()),
        false => Err(Error::Indivisible {
            what: WHAT,
            divisor,
            got: dim,
        }),
    };
    use Axis::{Col, Frame, Row, Token};
    let mut columns = match dialect {
        SinCos3dDialect::VJepa => {
            divisible(8)?;
            let of = |axis, share: usize| waves(axis, dim / share, dim / share);
            [of(Frame, 4), of(Row, 8), of(Col, 8)].concat()
        }
        SinCos3dDialect::VJepaUniform => {
            let count = dim.div_ceil(6);
            [Frame, Row, Col]
                .map(|axis| waves(axis, count, count))
                .concat()
        }
        SinCos3dDialect::PyTorchVideo => {
            divisible(16)?;
            let (frame, side) = (dim / 8, dim / 16 * 3);
            let [col, row] = [Col, Row].map(|axis| waves(axis, side, side));
            [waves(Frame, frame, frame), col, row].concat()
        }
        SinCos3dDialect::SimpleVit => {
            if dim < 6 {
                return Err(Error::Range {
                    what: WHAT,
                    expected: "a dimension of at least 6".into(),
                    got: dim as f64,
                });
            }
            let count = dim / 6;
            let last = (count - 1).max(1);
            [Col, Row, Frame]
                .map(|axis| waves(axis, count, last))
                .concat()
        }
        SinCos3dDialect::VideoMae => (0..dim)
            .map(|index| Column {
                axis: Token,
                wave: if index % 2 == 0 { Wave::Sin } else { Wave::Cos },
                omega: omega((index / 2 * 2) as f64 / dim as f64),
            })
            .collect(),
    };
    let empty = Column {
        axis: Frame,
        wave: Wave::None,
        omega: 0.0,
    };
    columns.resize(dim, empty);
    Ok(columns)
}

fn omega(exponent: f64) -> f64 {
    f64::powf(10_000.0, -exponent)
}

/// `count` sines of an axis, then as many cosines, with exponents `i/last`.
fn waves(axis: Axis, count: usize, last: usize) -> Vec<Column> {
    let of = |wave| {
        (0..count).map(move |i| Column {
            axis,
            wave,
            omega: omega(i as f64 / last as f64),
        })
    };
    of(Wave::Sin).chain(of(Wave::Cos)).collect()
}

/// The tables of `grids`, computed in f64 on the host, with zeros behind the shorter ones: `[grids, cells, dim]`.
fn table(
    grids: &[[usize; 3]],
    dim: usize,
    dialect: SinCos3dDialect,
    device: &Device,
) -> Result<Tensor<3>, Error> {
    let columns = columns(dim, dialect)?;
    let cells = grids.iter().map(|grid| grid.iter().product()).max();
    let cells: usize = cells.unwrap_or(0);
    let mut values = Vec::with_capacity(grids.len() * cells * dim);
    for (index, [frames, rows, cols]) in grids.iter().enumerate() {
        for number in 0..frames * rows * cols {
            let cell = number % (rows * cols);
            // In the order of `Axis`.
            let place = [number / (rows * cols), cell / cols, cell % cols, number];
            values.extend(columns.iter().map(|column| {
                let angle = place[column.axis as usize] as f64 * column.omega;
                match column.wave {
                    Wave::Sin => angle.sin() as f32,
                    Wave::Cos => angle.cos() as f32,
                    Wave::None => 0.0,
                }
            }));
        }
        values.resize((index + 1) * cells * dim, 0.0);
    }
    let data = TensorData::new(values, [grids.len(), cells, dim]);
    Ok(Tensor::from_data(data, (device, DType::F32)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{PatchGrid, Window};
    use burn::tensor::Tolerance;

    const DIALECTS: [SinCos3dDialect; 5] = [
        SinCos3dDialect::VJepa,
        SinCos3dDialect::VJepaUniform,
        SinCos3dDialect::PyTorchVideo,
        SinCos3dDialect::SimpleVit,
        SinCos3dDialect::VideoMae,
    ];
    const DIM: usize = 32;

    fn grid(size: [usize; 2]) -> PatchGrid {
        let window = Window::patch([2, 4], Default::default());
        window.layout(size).unwrap()
    }

    fn each(site: &Site, check: impl Fn(SinCos3dPosition, &Device)) {
        let device = Device::flex();
        for dialect in DIALECTS {
            let config = SinCos3dPositionConfig::new().with_dialect(dialect);
            check(config.init(site, &device), &device);
        }
    }

    fn assert_close(got: Tensor<3>, want: Tensor<3>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[test]
    fn a_box_over_an_images_cell_has_that_cells_position() {
        let grid = grid([6, 16]);
        each(&Site::over(&grid, DIM), |position, device| {
            let on = Tokens::from_grid(Tensor::zeros([1, 12, DIM], device), grid);
            let off = on.clone().with_places(Places::Boxes(on.boxes_px()));
            let [on, off] = [on, off].map(|tokens| position.add(tokens, 0).into_embeddings());
            assert_close(off, on);
        });
    }

    #[test]
    fn clips_of_their_own_sizes_have_the_tables_of_their_own() {
        let grids = [grid([6, 16]).over_frames(2), grid([4, 8]).over_frames(3)];
        each(&Site::over(&grids[0], DIM), |position, device| {
            let zeros = Tensor::zeros([2, 24, DIM], device);
            let both = Tokens::new(zeros, Layout::Each(grids.into()), Places::Cells);
            let both = position.add(both, 0).into_embeddings();
            for (clip, grid) in grids.into_iter().enumerate() {
                let cells = grid.tokens();
                let alone = Tokens::from_grid(Tensor::zeros([1, cells, DIM], device), grid);
                let alone = position.add(alone, 0).into_embeddings();
                let part = both.clone().slice_dim(0, clip..clip + 1);
                assert_close(part.slice_dim(1, ..cells), alone);
            }
        });
    }

    #[test]
    fn adding_then_selecting_equals_selecting_then_adding() {
        let grid = grid([6, 16]).over_frames(2);
        each(&Site::over(&grid, DIM), |position, device| {
            let clip = Tokens::from_grid(Tensor::zeros([2, 24, DIM], device), grid)
                .with_prefix(Tensor::ones([1, 1, DIM], device));
            let index = Tensor::from_ints([[23, 1, 13], [12, 12, 0]], device);
            let before = position.add(clip.clone(), 0).select(index.clone());
            let after = position.add(clip.select(index), 0);
            assert_close(after.into_embeddings(), before.into_embeddings());
        });
    }

    #[test]
    fn boxes_of_a_clip_and_dims_that_do_not_share_out_are_errors() {
        let clip = Layout::Same(grid([6, 16]).over_frames(2));
        each(&Site::new([3, 4], DIM), |position, _| {
            let boxes = position.check(&clip, PlaceKind::Boxes, 0);
            assert!(matches!(boxes, Err(Error::Place { .. })));
        });
        let error = |dialect, dim| {
            let config = SinCos3dPositionConfig::new().with_dialect(dialect);
            let built = config.try_init(&Site::new([2, 2], dim), &Device::flex());
            built.unwrap_err().to_string()
        };
        for (dialect, dim, want) in [
            (SinCos3dDialect::VJepa, 20, "divisible by 8, got 20"),
            (SinCos3dDialect::PyTorchVideo, 24, "divisible by 16, got 24"),
            (SinCos3dDialect::SimpleVit, 5, "at least 6, got 5"),
            (SinCos3dDialect::VideoMae, 0, "at least 1, got [0]"),
        ] {
            let error = error(dialect, dim);
            assert!(error.ends_with(want), "{error}");
        }
    }
}
