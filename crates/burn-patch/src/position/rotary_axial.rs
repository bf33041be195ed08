//! Rotary positions whose pairs turn by the row or by the column.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::grid::{PatchGrid, nonzero};
use crate::or_panic::OrPanic;
use crate::position::position::Position;
use crate::position::refusals::one_frame;
use crate::position::rotary::{
    Coordinate, coordinates, head_width, in_range, powers, rotation, table,
};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, RotationPairs};
use crate::{Error, Noise, Tokens};

const WHAT: &str = "axial rotary positions";

/// The frequencies of an axis, `q = width/4` of them, and the coordinates that they multiply.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum AxialBands {
    /// `ωᵢ = θ^(−i/q)`, of rows and columns counted from 0.
    Powers {
        /// `θ`.
        theta: f64,
    },
    /// `ω₂ᵢ` for rows and `ω₂ᵢ₊₁` for columns of `ωᵢ = θ^(−i/2q)`, both counted from 0: Pixtral.
    Alternating {
        /// `θ`.
        theta: f64,
    },
    /// From `π` to `π·resolution/2` in even ratios, of places from −1 in the first row or column to 1 in the last.
    Octaves {
        /// Twice the highest number of half turns.
        resolution: f64,
    },
    /// From `π` to `π·resolution/2` in even steps, of the same places.
    Linear {
        /// Twice the highest number of half turns.
        resolution: f64,
    },
}

/// Which coordinate turns the first pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AxisOrder {
    /// The row, then the column (`ij`).
    #[default]
    RowsFirst,
    /// The column, then the row (`xy`).
    ColumnsFirst,
}

/// Configuration of [`AxialRotaryPosition`]: EVA-02's as it stands.
#[derive(Config, Debug)]
pub struct AxialRotaryPositionConfig {
    /// Frequencies and coordinates.
    #[config(default = "AxialBands::Powers { theta: 10_000.0 }")]
    pub bands: AxialBands,
    /// Which coordinate turns the first pairs.
    #[config(default = "AxisOrder::RowsFirst")]
    pub order: AxisOrder,
    /// Which values of a head make a pair.
    #[config(default = "RotationPairs::Interleaved")]
    pub pairs: RotationPairs,
    /// The `[rows, cols]` that the model was trained on: coordinates of other grids are scaled to them (EVA-02).
    pub reference: Option<[usize; 2]>,
    /// Added to rows and columns before that; none: 0. The Perception Encoder counts from 1.
    pub offset: Option<f64>,
}

/// Queries and keys turned by row and column: one half of a head's pairs by each.
///
/// Fang et al., [EVA-02](https://arxiv.org/abs/2303.11331); Heo et al.,
/// [Rotary Position Embedding for Vision Transformer](https://arxiv.org/abs/2403.13298) (RoPE-Axial); timm 1.0.31,
/// `timm/layers/pos_embed_sincos.py` (`RotaryEmbeddingCat`). [`eva`](AxialRotaryPositionConfig::eva),
/// [`rope_vit`](AxialRotaryPositionConfig::rope_vit), [`pixel`](AxialRotaryPositionConfig::pixel),
/// [`qwen`](AxialRotaryPositionConfig::qwen) and [`pixtral`](AxialRotaryPositionConfig::pixtral) are the settings in use.
///
/// # Shapes
///
/// - tokens of an image, on any grid or off it
/// - a [`Rotation`](crate::tokens::Rotation) `[1 or batch, 1, prefix + tokens, width]`, `width` that of a head, which 4
///   divides; the prefix is not turned
///
/// # Equation
///
/// Pair `i < q` turns by `y·ωᵢ` and pair `q + i` by `x·ωᵢ`, with `q = width/4` and `ωᵢ = θ^(−i/q)`.
///
/// # Departures
///
/// Off the grid, places are fractions of rows and columns.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{AxialRotaryPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let position = AxialRotaryPositionConfig::new().init(&Site::new([1, 2], 4), &device);
/// let tokens = patchify(Tensor::zeros([1, 1, 2, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let rotation = position.attend(&tokens, 0, &mut Noise::None).rotation.unwrap();
/// // In the second column, the second pair turns by one radian.
/// let (sin, _) = 1f32.sin_cos();
/// rotation.sin.into_data().assert_approx_eq::<f32>(
///     &[[[[0.0; 4], [0.0, 0.0, sin, sin]]]].into(),
///     burn::tensor::Tolerance::rel_abs(1e-6, 1e-7),
/// );
/// ```
#[derive(Module, Debug)]
pub struct AxialRotaryPosition {
    /// Frequencies by coordinate, `[2, width/4]`; fixed, so not saved.
    bands: Tensor<2>,
    #[module(skip)]
    config: AxialRotaryPositionConfig,
}

impl AxialRotaryPositionConfig {
    /// EVA-02's: trained on a grid of `reference` (`[rows, cols]`), to which others are scaled.
    pub fn eva(reference: [usize; 2]) -> Self {
        Self::new().with_reference(Some(reference))
    }

    /// RoPE-ViT's: columns first, `θ = 100`.
    pub fn rope_vit() -> Self {
        Self::new()
            .with_bands(AxialBands::Powers { theta: 100.0 })
            .with_order(AxisOrder::ColumnsFirst)
    }

    /// timm's `in_pixels`: octaves up to a resolution of 224.
    pub fn pixel() -> Self {
        Self::new().with_bands(AxialBands::Octaves { resolution: 224.0 })
    }

    /// That of the vision encoders of Qwen2-VL and its successors: as EVA-02's, with the halves of a head as pairs.
    pub fn qwen() -> Self {
        Self::new().with_pairs(RotationPairs::Halves)
    }

    /// Pixtral's: frequencies alternate between rows and columns, halves of a head as pairs.
    pub fn pixtral() -> Self {
        Self::qwen().with_bands(AxialBands::Alternating { theta: 10_000.0 })
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Indivisible`] if 4 does not divide the width of a head, [`Error::Zero`] for an empty reference grid,
    /// [`Error::Range`] for a `θ` that is not above 0, a resolution below 2 or an offset that is not finite.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<AxialRotaryPosition, Error> {
        let count = head_width(WHAT, site, 4)? / 4;
        if let Some(reference) = self.reference {
            nonzero("reference grid", &reference)?;
        }
        if let Some(offset) = self.offset {
            in_range("offset of rotary positions", offset, f64::MIN, false)?;
        }
        Ok(AxialRotaryPosition {
            bands: table(self.bands.frequencies(count)?, [2, count], device),
            config: self.clone(),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> AxialRotaryPosition {
        self.try_init(site, device).or_panic()
    }
}

impl AxialBands {
    /// Those of the first coordinate, then those of the second, `count` each.
    fn frequencies(self, count: usize) -> Result<Vec<f64>, Error> {
        let all: Vec<f64> = match self {
            Self::Powers { theta } => powers(above_zero(theta)?, count).collect(),
            Self::Alternating { theta } => {
                let all: Vec<f64> = powers(above_zero(theta)?, 2 * count).collect();
                let of = |first: usize| all.iter().skip(first).step_by(2).copied();
                return Ok(of(0).chain(of(1)).collect());
            }
            Self::Octaves { resolution } => {
                let last = resolution_of(resolution)?.log2() - 1.0;
                let turns = evenly(0.0, last, count).map(|octave| f64::from(octave).exp2());
                turns.map(half_turns).collect()
            }
            Self::Linear { resolution } => {
                let last = resolution_of(resolution)? / 2.0;
                evenly(1.0, last, count)
                    .map(f64::from)
                    .map(half_turns)
                    .collect()
            }
        };
        Ok([all.as_slice(), &all].concat())
    }

    /// The coordinates of an axis of `count` rows or columns.
    fn axis(self, count: usize) -> Coordinate {
        match self {
            Self::Powers { .. } | Self::Alternating { .. } => Coordinate {
                before: 0.0,
                step: 1.0,
            },
            // One alone lies at −1.
            Self::Octaves { .. } | Self::Linear { .. } => {
                let last = (count - 1).max(1) as f64;
                Coordinate {
                    before: -last / 2.0,
                    step: 2.0 / last,
                }
            }
        }
    }
}

/// `count` numbers from `first` to `last`, in the single precision that timm computes them in: rounded otherwise, the
/// highest frequency, 112π, would turn the border by 4·10⁻⁵ more or less.
fn evenly(first: f64, last: f64, count: usize) -> impl Iterator<Item = f32> {
    let (first, last) = (first as f32, last as f32);
    let step = (last - first) / (count.max(2) - 1) as f32;
    (0..count).map(move |i| match i < count / 2 || i == 0 {
        true => first + step * i as f32,
        false => last - step * (count - 1 - i) as f32,
    })
}

/// That many half turns, in radians, in single precision too.
fn half_turns(turns: f64) -> f64 {
    f64::from(turns as f32 * core::f32::consts::PI)
}

fn above_zero(theta: f64) -> Result<f64, Error> {
    in_range("theta of rotary positions", theta, 0.0, true)
}

fn resolution_of(resolution: f64) -> Result<f64, Error> {
    in_range("resolution of rotary positions", resolution, 2.0, false)
}

impl Position for AxialRotaryPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame(WHAT, layout)
    }

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, _: usize, _: &mut Noise<'_>) -> Attend {
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let places = coordinates(tokens, |grid| self.axes(grid));
        let places = match self.config.order {
            AxisOrder::RowsFirst => places,
            AxisOrder::ColumnsFirst => {
                let [row, column] = [0, 1].map(|axis| places.clone().slice_dim(2, axis..axis + 1));
                Tensor::cat(vec![column, row], 2)
            }
        };
        let ([batch, count, _], [_, pairs]) = (places.dims(), self.bands.dims());
        let bands = self.bands.clone().cast(places.dtype());
        let angles = places.reshape([batch, count, 2, 1]) * bands.reshape([1, 1, 2, pairs]);
        let angles = angles.reshape([batch, 1, count, 2 * pairs]);
        Attend {
            rotation: Some(rotation(tokens, angles, self.config.pairs)),
            ..Attend::default()
        }
    }

    fn packs(&self) -> bool {
        true
    }
}

impl AxialRotaryPosition {
    /// The coordinates of a grid's rows and columns.
    fn axes(&self, grid: &PatchGrid) -> [Coordinate; 2] {
        let sides = [grid.rows, grid.cols];
        [0, 1].map(|axis| {
            let Coordinate { before, step } = self.config.bands.axis(sides[axis]);
            let to = self
                .config
                .reference
                .map_or(1.0, |reference| reference[axis] as f64 / sides[axis] as f64);
            Coordinate {
                before: before + self.config.offset.unwrap_or(0.0),
                step: step * to,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_no_numbers_of_their_kind_are_errors() {
        let site = Site::new([2, 2], 8);
        let error = |config: AxialRotaryPositionConfig| {
            let built = config.try_init(&site, &Device::flex());
            built.unwrap_err().to_string()
        };
        let config = AxialRotaryPositionConfig::new;
        for theta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            for bands in [
                AxialBands::Powers { theta },
                AxialBands::Alternating { theta },
            ] {
                let error = error(config().with_bands(bands));
                let want = format!(
                    "theta of rotary positions: expected a finite number above 0, got {theta}"
                );
                assert_eq!(error, want);
            }
        }
        for resolution in [1.0, f64::NAN] {
            for bands in [
                AxialBands::Octaves { resolution },
                AxialBands::Linear { resolution },
            ] {
                let error = error(config().with_bands(bands));
                assert!(error.contains("a finite number of at least 2"), "{error}");
            }
        }
        let offset = config().with_offset(Some(f64::NAN));
        assert!(error(offset).starts_with("offset of rotary positions: expected a finite number"));
        let reference = config().with_reference(Some([0, 4]));
        assert_eq!(
            error(reference),
            "reference grid must be at least 1, got [0, 4]"
        );
    }

    #[test]
    fn a_grid_of_another_size_turns_over_the_range_of_the_reference() {
        let device = Device::flex();
        let window = crate::grid::Window::patch([2, 2], Default::default());
        let [small, large] = [[4, 8], [8, 16]].map(|size| window.layout(size).unwrap());
        let position = AxialRotaryPositionConfig::eva([2, 4]).init(&Site::new([2, 4], 8), &device);
        let sines = |grid: PatchGrid| {
            let tokens = Tokens::from_grid(Tensor::zeros([1, grid.tokens(), 8], &device), grid);
            let attend = position.attend(&tokens, 0, &mut Noise::None);
            let sines = attend.rotation.unwrap().sin;
            sines.reshape([grid.rows, grid.cols, 8])
        };
        // Every second row and column of the larger grid lie where those of the smaller do.
        let every = sines(large).reshape([2, 2, 4, 2, 8]);
        let every = every.slice_dim(1, 0..1).slice_dim(3, 0..1);
        let small = sines(small).reshape([2, 1, 4, 1, 8]);
        every.into_data().assert_approx_eq(
            &small.into_data(),
            burn::tensor::Tolerance::<f32>::rel_abs(1e-6, 1e-7),
        );
    }
}
