//! Multimodal rotary positions: frame, row and column take turns.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use crate::Error;
use crate::or_panic::OrPanic;
use crate::position::position::Position;
use crate::position::rotary::{head_width, in_range, places, powers, rotation, table};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, RotationPairs};
use crate::{Noise, Tokens};

const WHAT: &str = "multimodal rotary positions";

/// Configuration of [`MRopePosition`].
#[derive(Config, Debug)]
pub struct MRopePositionConfig {
    /// `θ`.
    #[config(default = 10_000.0)]
    pub theta: f64,
    /// `[frames, rows, columns]` that take turns: row and column take theirs no more once they had so many turns, and
    /// the frame takes what they leave; none: they take turns to the end. What is there for the frame says nothing, as
    /// in the source.
    pub sections: Option<[usize; 3]>,
}

/// Queries and keys turned by frame, row and column, which take turns over the pairs of a head.
///
/// Wang et al., [Qwen2-VL](https://arxiv.org/abs/2409.12191), section 2.1 (M-RoPE), interleaved as in Qwen3-VL
/// (transformers 5.23, `Qwen3VLTextRotaryEmbedding`); timm 1.0.31's
/// `RotaryEmbeddingMRope`.
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
/// column, counted from 0, for `i mod 3` of 0, 1 and 2. An image is a clip of one frame, whose number is 0.
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
    /// for a `θ` that is not above 0.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<MRopePosition, Error> {
        let width = head_width(WHAT, site, 2)?;
        in_range(
            "width of a head for frame, row and column",
            width as f64,
            6.0,
            false,
        )?;
        let theta = in_range("theta of rotary positions", self.theta, 0.0, true)?;
        let axes: Vec<i32> = (0..width / 2).map(|pair| self.axis(pair)).collect();
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

    /// The coordinate that turns a pair.
    fn axis(&self, pair: usize) -> i32 {
        let axis = pair % 3;
        let turns = self.sections.map_or(usize::MAX, |sections| sections[axis]);
        if pair / 3 < turns { axis as i32 } else { 0 }
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
            rotation: Some(rotation(angles, tokens.prefix(), RotationPairs::Halves)),
            ..Attend::default()
        }
    }
}
