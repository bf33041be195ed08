//! DINOv3's rotary positions.

use burn::config::Config;
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::grid::PatchGrid;
use crate::or_panic::OrPanic;
use crate::position::position::Position;
use crate::position::refusals::one_frame;
use crate::position::rotary::{
    Coordinate, coordinates, head_width, in_range, powers, rotation, table,
};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, RotationPairs};
use crate::{Error, Noise, Tokens};

const WHAT: &str = "DINOv3's rotary positions";

/// What the centres of rows and columns are divided by, before they are spread over `[−1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CoordinateNorm {
    /// The rows by their number, the columns by theirs.
    #[default]
    Separate,
    /// Both by the larger number.
    Max,
    /// Both by the smaller number.
    Min,
}

/// The periods of a coordinate, `q = width/4` of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Periods {
    /// `base^(i/q)`.
    Base(f64),
    /// From the least to the most in even ratios.
    Between(f64, f64),
}

/// Configuration of [`DinoV3RotaryPosition`].
#[derive(Config, Debug)]
pub struct DinoV3RotaryPositionConfig {
    /// The periods.
    #[config(default = "Periods::Base(100.0)")]
    pub periods: Periods,
    /// What coordinates are divided by.
    #[config(default = "CoordinateNorm::Separate")]
    pub normalize: CoordinateNorm,
    /// In training, each coordinate is moved by a number in `[−shift, shift)`; none: by 0.
    pub shift: Option<f64>,
    /// In training, each coordinate is multiplied by a number in `[1/jitter, jitter)`, uniform in its logarithm; none: by 1.
    pub jitter: Option<f64>,
    /// In training, both coordinates are multiplied by one number in `[1/rescale, rescale)`, uniform in its logarithm;
    /// none: by 1. DINOv3's models have 2.
    pub rescale: Option<f64>,
}

/// Queries and keys turned by row and column between −1 and 1, moved and scaled at random in training.
///
/// Siméoni et al., [DINOv3](https://arxiv.org/abs/2508.10104), section 3.2; facebookresearch/dinov3,
/// `dinov3/layers/rope_position_encoding.py` (`RopePositionEmbedding`); timm 1.0.31's `RotaryEmbeddingDinoV3`.
///
/// # Shapes
///
/// - tokens of an image, on any grid or off it
/// - a [`Rotation`](crate::tokens::Rotation) `[1 or batch, 1, prefix + tokens, width]`, `width` that of a head, which 4
///   divides; the prefix is not turned
///
/// # Equation
///
/// Pair `i < q` turns by `2π·y/Tᵢ` and pair `q + i` by `2π·x/Tᵢ`, with `q = width/4`, periods `Tᵢ = 100^(i/q)`, and
/// `y = 2(row + ½)/rows − 1`, `x = 2(column + ½)/columns − 1`. A pair is a value and the one `width/2` behind it. In
/// training, `y ← (y + s_y)·j_y·r` and `x ← (x + s_x)·j_x·r`.
///
/// # Noise
///
/// While training, that is on an autodiff device and before `valid`, as with DropPath: 2 values for the shift (row,
/// column), 2 for the jitter, 1 for rescaling, where each is set, whatever the batch; every image is moved alike. At
/// inference none.
///
/// # Departures
///
/// Off the grid, places are fractions of rows and columns. Each call of `attend` draws anew: once for a model, and again
/// where a reducer changed the tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{DinoV3RotaryPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let config = DinoV3RotaryPositionConfig::new().with_rescale(Some(2.0));
/// let position = config.init(&Site::new([1, 2], 4), &device);
/// let tokens = patchify(Tensor::zeros([1, 1, 2, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let rotation = position.attend(&tokens, 0, &mut Noise::None).rotation.unwrap();
/// // The columns' centres lie at ±½: half a turn to either side.
/// rotation.cos.into_data().assert_approx_eq::<f32>(
///     &[[[[1.0, -1.0, 1.0, -1.0]; 2]]].into(),
///     burn::tensor::Tolerance::rel_abs(1e-6, 1e-6),
/// );
/// // Training draws one value, for the scale.
/// let training = config.init(&Site::new([1, 2], 4), &device.autodiff());
/// assert_eq!((position.noise(8, 2), training.noise(8, 2)), (0, 1));
/// ```
#[derive(Module, Debug)]
pub struct DinoV3RotaryPosition {
    /// `2π/Tᵢ`, `[1, width/4]`; fixed, so not saved.
    bands: Tensor<2>,
    #[module(skip)]
    config: DinoV3RotaryPositionConfig,
    /// Whether coordinates are moved at all; cleared by `freeze`, as in Burn's `Dropout`.
    pub training: Param<Flag>,
}

impl DinoV3RotaryPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Indivisible`] if 4 does not divide the width of a head, [`Error::Range`] for periods that are not above
    /// 0, a shift below 0, and a jitter or rescaling below 1.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<DinoV3RotaryPosition, Error> {
        let count = head_width(WHAT, site, 4)? / 4;
        for (what, value, least) in [
            ("shift of coordinates", self.shift, 0.0),
            ("jitter of coordinates", self.jitter, 1.0),
            ("rescaling of coordinates", self.rescale, 1.0),
        ] {
            if let Some(value) = value {
                in_range(what, value, least, false)?;
            }
        }
        let bands = self.periods.frequencies(count)?;
        let bands = bands
            .into_iter()
            .map(|turns| core::f64::consts::TAU * turns);
        Ok(DinoV3RotaryPosition {
            bands: table(bands.collect(), [1, count], device),
            config: self.clone(),
            training: Param::from_bool(true),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> DinoV3RotaryPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Periods {
    /// `1/Tᵢ`.
    fn frequencies(self, count: usize) -> Result<Vec<f64>, Error> {
        let period = |value| in_range("period of rotary positions", value, 0.0, true);
        Ok(match self {
            Self::Base(base) => powers(period(base)?, count).collect(),
            Self::Between(least, most) => {
                let (least, most) = (period(least)?, period(most)?);
                let share = |i: usize| i as f64 / (count - 1).max(1) as f64;
                let periods = (0..count).map(|i| least * (most / least).powf(share(i)));
                periods.map(f64::recip).collect()
            }
        })
    }
}

impl Position for DinoV3RotaryPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame(WHAT, layout)
    }

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, _: usize, noise: &mut Noise<'_>) -> Attend {
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let moves = self.draw(noise).or_panic();
        let places = coordinates(tokens, |grid| {
            let axes = self.axes(grid);
            [0, 1].map(|axis| moves[axis].of(axes[axis]))
        });
        let ([batch, count, _], [_, pairs]) = (places.dims(), self.bands.dims());
        let bands = self.bands.clone().cast(places.dtype());
        let angles = places.reshape([batch, count, 2, 1]) * bands.reshape([1, 1, 1, pairs]);
        let angles = angles.reshape([batch, 1, count, 2 * pairs]);
        Attend {
            rotation: Some(rotation(tokens, angles, RotationPairs::Halves)),
            ..Attend::default()
        }
    }

    fn noise(&self, _: usize, _: usize) -> usize {
        let DinoV3RotaryPositionConfig {
            shift,
            jitter,
            rescale,
            ..
        } = &self.config;
        match self.is_training() {
            false => 0,
            true => {
                let each = |setting: &Option<f64>| usize::from(setting.is_some());
                2 * each(shift) + 2 * each(jitter) + each(rescale)
            }
        }
    }

    fn packs(&self) -> bool {
        true
    }
}

impl DinoV3RotaryPosition {
    fn is_training(&self) -> bool {
        self.training.is_enabled() && self.bands.device().is_autodiff()
    }

    /// The coordinates of a grid's rows and columns.
    fn axes(&self, grid: &PatchGrid) -> [Coordinate; 2] {
        [grid.rows, grid.cols].map(|side| {
            let over = match self.config.normalize {
                CoordinateNorm::Separate => side,
                CoordinateNorm::Max => grid.rows.max(grid.cols),
                CoordinateNorm::Min => grid.rows.min(grid.cols),
            };
            Coordinate {
                before: 0.5 - over as f64 / 2.0,
                step: 2.0 / over as f64,
            }
        })
    }

    /// How rows and columns move this time.
    fn draw(&self, noise: &mut Noise<'_>) -> Result<[Move; 2], Error> {
        let mut moves = [Move {
            shift: 0.0,
            scale: 1.0,
        }; 2];
        if !self.is_training() {
            return Ok(moves);
        }
        let mut uniform = |count: usize| -> Result<Vec<f64>, Error> {
            let drawn = noise.take(WHAT, count)?;
            let drawn = drawn.into_iter().map(f64::from);
            Ok(drawn.map(|value| 2.0 * value - 1.0).collect())
        };
        if let Some(shift) = self.config.shift {
            for (axis, drawn) in moves.iter_mut().zip(uniform(2)?) {
                axis.shift = shift * drawn;
            }
        }
        if let Some(jitter) = self.config.jitter {
            for (axis, drawn) in moves.iter_mut().zip(uniform(2)?) {
                axis.scale *= jitter.powf(drawn);
            }
        }
        if let Some(rescale) = self.config.rescale {
            let drawn = uniform(1)?[0];
            for axis in &mut moves {
                axis.scale *= rescale.powf(drawn);
            }
        }
        Ok(moves)
    }
}

/// A coordinate is shifted, then scaled.
#[derive(Clone, Copy)]
struct Move {
    shift: f64,
    scale: f64,
}

impl Move {
    fn of(self, Coordinate { before, step }: Coordinate) -> Coordinate {
        Coordinate {
            before: before + self.shift / step,
            step: step * self.scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(device: &Device) -> Tokens {
        let grid = crate::grid::Window::patch([1, 1], Default::default());
        let grid = grid.layout([2, 3]).unwrap();
        Tokens::from_grid(Tensor::zeros([1, 6, 8], device), grid)
    }

    fn sines(position: &DinoV3RotaryPosition, noise: Noise<'_>, device: &Device) -> Vec<f32> {
        let mut noise = noise;
        let attend = position.attend(&tokens(device), 0, &mut noise);
        let sines = attend.rotation.unwrap().sin.into_data();
        sines.try_to_vec_as::<f32>().unwrap()
    }

    #[test]
    fn noise_in_the_middle_moves_nothing() {
        let device = Device::flex().autodiff();
        let site = Site::new([2, 3], 8);
        let still = DinoV3RotaryPositionConfig::new();
        let moving = still
            .clone()
            .with_shift(Some(1.0))
            .with_jitter(Some(2.0))
            .with_rescale(Some(2.0));
        let moving = moving.init(&site, &device);
        let noise = [0.5; 5];
        let [middle, none] = [
            sines(&moving, Noise::from(&noise), &device),
            sines(&still.init(&site, &device), Noise::None, &device),
        ];
        assert_eq!(middle, none);
        let noise = [0.5, 0.5, 0.5, 0.5, 0.6];
        assert_ne!(sines(&moving, Noise::from(&noise), &device), none);
    }

    #[test]
    #[should_panic(expected = "DINOv3's rotary positions needs 1 values of noise, got 0")]
    fn training_without_noise_is_refused() {
        let device = Device::flex().autodiff();
        let config = DinoV3RotaryPositionConfig::new().with_rescale(Some(2.0));
        sines(
            &config.init(&Site::new([2, 3], 8), &device),
            Noise::None,
            &device,
        );
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        let site = Site::new([2, 2], 8);
        let config = DinoV3RotaryPositionConfig::new;
        for config in [
            config().with_periods(Periods::Base(0.0)),
            config().with_periods(Periods::Base(f64::NAN)),
            config().with_periods(Periods::Between(1.0, -1.0)),
            config().with_shift(Some(-0.1)),
            config().with_shift(Some(f64::NAN)),
            config().with_jitter(Some(0.5)),
            config().with_rescale(Some(f64::INFINITY)),
        ] {
            let built = config.try_init(&site, &Device::flex());
            assert!(matches!(built, Err(Error::Range { .. })), "{config:?}");
        }
    }
}
