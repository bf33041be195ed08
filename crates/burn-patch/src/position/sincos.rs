//! Fixed two-dimensional sine-cosine positions.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::grid::nonzero;
use crate::ops::gather_rows;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::position::Position;
use crate::position::refusals::one_frame;
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind, Places, Units};
use crate::{Error, Tokens};

/// Which library's arrangement: order of the axes, of sine and cosine, and spacing of the frequencies.
///
/// With `q = dim/4` frequencies `ωᵢ = 10000^(−eᵢ)` per axis, row index `y` and column index `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SinCosDialect {
    /// `[sin x, cos x, sin y, cos y]`, `eᵢ = i/q`: MAE's `util/pos_embed.py`, MoCo v3.
    #[default]
    Mae,
    /// `[sin y, cos y, sin x, cos x]`, `eᵢ = i/q`: transformers' ViT-MAE helper before it swaps
    /// halves, timm's `build_sincos2d_pos_embed` with `interleave_sin_cos`.
    RowsFirst,
    /// `[sin x, cos x, sin y, cos y]`, `eᵢ = i/(q − 1)`: big_vision, vit-pytorch's SimpleViT.
    BigVision,
    /// `[sin y, sin x, cos y, cos x]`, `eᵢ = i/q`: timm's `build_sincos2d_pos_embed`.
    Timm,
}

/// Configuration of [`SinCosPosition`].
#[derive(Config, Debug)]
pub struct SinCosPositionConfig {
    /// Arrangement.
    #[config(default = "SinCosDialect::Mae")]
    pub dialect: SinCosDialect,
}

/// Fixed sines and cosines of the row and the column, added to each token.
///
/// He et al., [Masked Autoencoders](https://arxiv.org/abs/2111.06377), `util/pos_embed.py`
/// (`get_2d_sincos_pos_embed`); the other dialects as [`SinCosDialect`] names them.
///
/// # Shapes
///
/// - tokens of width `dim`, on any grid or off it
/// - the same tokens; prefix tokens unchanged (MAE's class token has position 0)
///
/// # Equation
///
/// `π(y, x) = [sin(x·ω), cos(x·ω), sin(y·ω), cos(y·ω)]`, `ωᵢ = 10000^(−4i/dim)`, in MAE's dialect.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{Position, SinCosPositionConfig, Site};
///
/// let device = Device::flex();
/// let position = SinCosPositionConfig::new().init(&Site::new([1, 2], 4), &device);
/// let tokens = patchify(Tensor::zeros([1, 1, 2, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let (sin, cos) = 1f32.sin_cos();
/// position.add(tokens, 0).embeddings().into_data().assert_approx_eq::<f32>(
///     &[[[0.0, 1.0, 0.0, 1.0], [sin, cos, 0.0, 1.0]]].into(),
///     burn::tensor::Tolerance::rel_abs(1e-6, 1e-7),
/// );
/// ```
#[derive(Module, Debug)]
pub struct SinCosPosition {
    /// The table for `grid`, `[1, rows·cols, dim]`; fixed, so not saved.
    table: Tensor<3>,
    grid: [usize; 2],
    #[module(skip)]
    dialect: SinCosDialect,
}

impl SinCosPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid, [`Error::Indivisible`] for a dim that is no multiple of 4.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<SinCosPosition, Error> {
        let [_, rows, cols] = site.grid;
        Ok(SinCosPosition {
            table: table_tensor([rows, cols], site.dim, self.dialect, device)?,
            grid: [rows, cols],
            dialect: self.dialect,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> SinCosPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for SinCosPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame("these sines and cosines of row and column", layout)
    }

    fn packs(&self) -> bool {
        true
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
        let waves = match (tokens.layout(), tokens.places()) {
            (Layout::Same(grid), Places::Cells) => self.table([grid.rows, grid.cols]),
            (Layout::Same(grid), Places::Picked(cells)) => {
                gather_rows(self.table([grid.rows, grid.cols]), cells.clone())
            }
            _ => waves_at(tokens.coordinates(Units::Cells), dim, self.dialect),
        };
        add(tokens, waves.cast(dtype), None)
    }
}

impl SinCosPosition {
    /// The table of a grid, computed anew where it is not the one prepared.
    fn table(&self, grid: [usize; 2]) -> Tensor<3> {
        if grid == self.grid {
            return self.table.clone();
        }
        let [_, _, dim] = self.table.dims();
        table_tensor(grid, dim, self.dialect, &self.table.device()).or_panic()
    }
}

/// Row or column.
#[derive(Clone, Copy)]
enum Axis {
    Y,
    X,
}

/// Sine or cosine.
#[derive(Clone, Copy)]
enum Wave {
    Sin,
    Cos,
}

/// The four quarters of a row of the table.
fn quarters(dialect: SinCosDialect) -> [(Axis, Wave); 4] {
    use Axis::{X, Y};
    use Wave::{Cos, Sin};
    match dialect {
        SinCosDialect::Mae | SinCosDialect::BigVision => [(X, Sin), (X, Cos), (Y, Sin), (Y, Cos)],
        SinCosDialect::RowsFirst => [(Y, Sin), (Y, Cos), (X, Sin), (X, Cos)],
        SinCosDialect::Timm => [(Y, Sin), (X, Sin), (Y, Cos), (X, Cos)],
    }
}

/// `ωᵢ` of one axis.
fn frequencies(dim: usize, dialect: SinCosDialect) -> Vec<f64> {
    let quarter = dim / 4;
    let last = match dialect {
        SinCosDialect::BigVision => (quarter - 1).max(1),
        _ => quarter,
    };
    (0..quarter)
        .map(|i| f64::powf(10_000.0, -(i as f64) / last as f64))
        .collect()
}

/// The waves at fractional places (`[batch, tokens, 2]`: row, column), `[batch, tokens, dim]`.
fn waves_at(places: Tensor<3>, dim: usize, dialect: SinCosDialect) -> Tensor<3> {
    let omega = TensorData::new(frequencies(dim, dialect), [1, 1, dim / 4]);
    let omega = Tensor::from_data(omega, (&places.device(), places.dtype()));
    let [y, x] = [0, 1].map(|axis| places.clone().slice_dim(2, axis..axis + 1) * omega.clone());
    let quarters = quarters(dialect).map(|(axis, wave)| {
        let angle = match axis {
            Axis::Y => y.clone(),
            Axis::X => x.clone(),
        };
        match wave {
            Wave::Sin => angle.sin(),
            Wave::Cos => angle.cos(),
        }
    });
    Tensor::cat(quarters.to_vec(), 2)
}

fn table_tensor(
    grid: [usize; 2],
    dim: usize,
    dialect: SinCosDialect,
    device: &Device,
) -> Result<Tensor<3>, Error> {
    let table = sincos_table(grid, dim, dialect)?;
    Ok(Tensor::from_data(
        TensorData::new(table, [1, grid[0] * grid[1], dim]),
        (device, DType::F32),
    ))
}

/// The table on the host: `rows·cols` rows of `dim` values, computed in f64.
///
/// # Errors
///
/// [`Error::Zero`] for an empty grid, [`Error::Indivisible`] for a dim that is no multiple of 4.
///
/// ```
/// use burn_patch::position::{SinCosDialect, sincos_table};
///
/// let table = sincos_table([1, 2], 4, SinCosDialect::Mae).unwrap();
/// assert_eq!(table, [0.0, 1.0, 0.0, 1.0, 1.0f64.sin() as f32, 1.0f64.cos() as f32, 0.0, 1.0]);
/// ```
pub fn sincos_table(
    grid: [usize; 2],
    dim: usize,
    dialect: SinCosDialect,
) -> Result<Vec<f32>, Error> {
    nonzero("grid", &grid)?;
    if dim == 0 || !dim.is_multiple_of(4) {
        return Err(Error::Indivisible {
            what: "sine-cosine positions",
            divisor: 4,
            got: dim,
        });
    }
    let frequencies = frequencies(dim, dialect);
    let mut table = Vec::with_capacity(grid[0] * grid[1] * dim);
    for (y, x) in (0..grid[0]).flat_map(|y| (0..grid[1]).map(move |x| (y, x))) {
        for (axis, wave) in quarters(dialect) {
            let place = match axis {
                Axis::Y => y as f64,
                Axis::X => x as f64,
            };
            table.extend(frequencies.iter().map(|omega| match wave {
                Wave::Sin => (place * omega).sin() as f32,
                Wave::Cos => (place * omega).cos() as f32,
            }));
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_norm_half_dim_since_sine_and_cosine_pair_up() {
        for dialect in [
            SinCosDialect::Mae,
            SinCosDialect::RowsFirst,
            SinCosDialect::BigVision,
            SinCosDialect::Timm,
        ] {
            let table = sincos_table([3, 5], 16, dialect).unwrap();
            for row in table.chunks(16) {
                let norm: f32 = row.iter().map(|value| value * value).sum();
                assert!((norm - 8.0).abs() < 1e-5, "{dialect:?}: {norm}");
            }
        }
    }

    #[test]
    fn a_box_over_a_cell_has_that_cells_position() {
        let device = Device::flex();
        let grid = crate::grid::Window::patch([2, 4], Default::default())
            .layout([6, 12])
            .unwrap();
        let tokens = Tokens::from_grid(Tensor::zeros([1, 9, 16], &device), grid);
        for dialect in [
            SinCosDialect::Mae,
            SinCosDialect::BigVision,
            SinCosDialect::Timm,
        ] {
            let position = SinCosPositionConfig::new()
                .with_dialect(dialect)
                .init(&Site::new([3, 3], 16), &device);
            let boxed = tokens.clone().with_places(Places::Boxes(tokens.boxes_px()));
            let [on, off] = [tokens.clone(), boxed].map(|tokens| position.add(tokens, 0));
            off.into_embeddings().into_data().assert_approx_eq(
                &on.into_embeddings().into_data(),
                burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6),
            );
        }
    }

    #[test]
    fn images_with_grids_of_their_own_get_their_own_tables() {
        let device = Device::flex();
        let window = crate::grid::Window::patch([2, 2], Default::default());
        let grids = [[4, 6], [6, 4]].map(|size| window.layout(size).unwrap());
        let zeros = Tensor::zeros([2, 6, 8], &device);
        let tokens = Tokens::new(zeros, Layout::Each(grids.into()), Places::Cells);
        let position = SinCosPositionConfig::new().init(&Site::new([2, 3], 8), &device);
        let want = [[2, 3], [3, 2]]
            .map(|grid| table_tensor(grid, 8, SinCosDialect::Mae, &device).unwrap());
        let got = position.add(tokens, 0).into_embeddings().into_data();
        got.assert_approx_eq(
            &Tensor::cat(want.to_vec(), 0).into_data(),
            burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    #[test]
    fn a_dim_that_four_does_not_divide_is_an_error() {
        let error = sincos_table([2, 2], 18, SinCosDialect::Mae).unwrap_err();
        assert_eq!(
            error,
            Error::Indivisible {
                what: "sine-cosine positions",
                divisor: 4,
                got: 18
            }
        );
    }
}
