//! Multimodal rotary positions: frame, row and column take turns.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::or_panic::OrPanic;
use crate::position::position::Position;
use crate::position::rotary::{head_width, in_range, places, powers, rotation, table};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, RotationPairs};
use crate::{Noise, Tokens};

const WHAT: &str = "multimodal rotary positions";

/// How frame, row and column share the pairs of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PairShares {
    /// They take turns to the end: frame, row, column, frame and so on.
    #[default]
    Turns,
    /// They take turns, but row and column only as often as the second and third number say; the frame has what they
    /// leave, whatever the first number says: `mrope_section` of Qwen3-VL and of timm.
    Sections([usize; 3]),
    /// One behind the other, so many pairs each: `mrope_section` of Qwen2-VL.
    Chunks([usize; 3]),
}

/// Configuration of [`MRopePosition`].
#[derive(Config, Debug)]
pub struct MRopePositionConfig {
    /// `θ`.
    #[config(default = 10_000.0)]
    pub theta: f64,
    /// How frame, row and column share the pairs of a head.
    #[config(default = "PairShares::Turns")]
    pub shares: PairShares,
}

/// Queries and keys turned by frame, row and column, which share the pairs of a head.
///
/// Wang et al., [Qwen2-VL](https://arxiv.org/abs/2409.12191), section 2.1 (M-RoPE); transformers 5.23's
/// `Qwen2VLRotaryEmbedding` and, with turns, `Qwen3VLTextRotaryEmbedding`; timm 1.0.31's `RotaryEmbeddingMRope`.
///
/// # Shapes
///
/// - tokens of an image, on any grid or off it, or of a clip, on its grid
/// - a [`Rotation`](crate::tokens::Rotation) `[1 or batch, 1, prefix + tokens, width]`, `width` that of a head: even,
///   and at least 6; the prefix is not turned
///
/// # Equation
///
/// Pair `i`, a value and the one `width/2` behind it, turns by `pᵢ·θ^(−2i/width)`, with `pᵢ` the frame, the row and the
/// column, counted from 0, for `i mod 3` of 0, 1 and 2, or as [`PairShares`] says. An image is a clip of one frame, whose
/// number is 0.
///
/// # Departures
///
/// Off the grid of an image, places are fractions of rows and columns; boxes of a clip are refused, since they say no
/// frame.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{MRopePositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let position = MRopePositionConfig::new().with_theta(1.0).init(&Site::new([2, 1], 6), &device);
/// let tokens = patchify(Tensor::zeros([1, 1, 4, 2], &device), [2, 2], FlatOrder::default()).unwrap();
/// let rotation = position.attend(&tokens, 0, &mut Noise::None).rotation.unwrap();
/// // In the second row, the second pair turns by one radian.
/// let (sin, _) = 1f32.sin_cos();
/// rotation.sin.into_data().assert_approx_eq::<f32>(
///     &[[[[0.0; 6], [0.0, sin, 0.0, 0.0, sin, 0.0]]]].into(),
///     burn::tensor::Tolerance::rel_abs(1e-6, 1e-7),
/// );
/// ```
#[derive(Module, Debug)]
pub struct MRopePosition {
    /// Which coordinate turns a pair (0: frame, 1: row, 2: column), `[width/2]`; fixed, so not saved.
    axes: Tensor<1, Int>,
    /// Radians per step, `[width/2]`; fixed too.
    bands: Tensor<1>,
}

impl MRopePositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Indivisible`] for heads of an odd width, [`Error::Range`] for heads with fewer pairs than coordinates and
    /// for a `θ` that is not above 0, [`Error::Shape`] for chunks that are not all pairs.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<MRopePosition, Error> {
        let width = head_width(WHAT, site, 2)?;
        in_range(
            "width of a head for frame, row and column",
            width as f64,
            6.0,
            false,
        )?;
        let theta = in_range("theta of rotary positions", self.theta, 0.0, true)?;
        let axes = self.shares.axes(width / 2)?;
        Ok(MRopePosition {
            axes: Tensor::from_ints(axes.as_slice(), device),
            bands: table(powers(theta, width / 2).collect(), [width / 2], device),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> MRopePosition {
        self.try_init(site, device).or_panic()
    }
}

impl PairShares {
    /// The coordinate that turns each pair, in the order of frame, row and column.
    fn axes(self, pairs: usize) -> Result<Vec<i32>, Error> {
        let turns = |limits: [usize; 3]| {
            let axis = |pair: usize| {
                if pair / 3 < limits[pair % 3] {
                    pair % 3
                } else {
                    0
                }
            };
            (0..pairs).map(|pair| axis(pair) as i32).collect()
        };
        match self {
            Self::Turns => Ok(turns([usize::MAX; 3])),
            Self::Sections(sections) => Ok(turns(sections)),
            Self::Chunks(chunks) => {
                let got = chunks
                    .iter()
                    .fold(0usize, |sum, chunk| sum.saturating_add(*chunk));
                if got != pairs {
                    return Err(Error::Shape {
                        what: "pairs of frame, row and column",
                        expected: vec![pairs],
                        got: vec![got],
                    });
                }
                let chunk = |axis: usize| core::iter::repeat_n(axis as i32, chunks[axis]);
                Ok((0..3).flat_map(chunk).collect())
            }
        }
    }
}

impl Position for MRopePosition {
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

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, _: usize, _: &mut Noise<'_>) -> Attend {
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let places = places(tokens);
        let [batch, count, axes] = places.dims();
        let places = match axes {
            3 => places,
            _ => {
                let options = (&places.device(), places.dtype());
                Tensor::cat(vec![Tensor::zeros([batch, count, 1], options), places], 2)
            }
        };
        let [pairs] = self.bands.dims();
        let bands = self.bands.clone().cast(places.dtype());
        let angles = places.select(2, self.axes.clone()) * bands.reshape([1, 1, pairs]);
        let angles = angles.reshape([batch, 1, count, pairs]);
        Attend {
            rotation: Some(rotation(tokens, angles, RotationPairs::Halves)),
            ..Attend::default()
        }
    }

    fn packs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_are_not_all_pairs_are_an_error() {
        let site = Site::new([2, 2], 16);
        let config = |chunks| MRopePositionConfig::new().with_shares(PairShares::Chunks(chunks));
        assert!(config([2, 3, 3]).try_init(&site, &Device::flex()).is_ok());
        for (chunks, sum) in [([2, 2, 3], 7), ([usize::MAX, 2, 3], usize::MAX)] {
            let error = config(chunks).try_init(&site, &Device::flex());
            let what = "pairs of frame, row and column";
            let (expected, got) = (vec![8], vec![sum]);
            assert_eq!(
                error.unwrap_err(),
                Error::Shape {
                    what,
                    expected,
                    got
                }
            );
        }
    }

    #[test]
    fn a_theta_that_is_not_above_zero_is_an_error() {
        for theta in [0.0, f64::NAN] {
            let config = MRopePositionConfig::new().with_theta(theta);
            let error = config.try_init(&Site::new([2, 2], 16), &Device::flex());
            assert!(matches!(error, Err(Error::Range { .. })));
        }
    }
}
