//! Rotary positions whose pairs turn by row and column together, at trained rates.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};

use crate::grid::nonzero;
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;
use crate::position::position::Position;
use crate::position::refusals::one_frame;
use crate::position::rotary::{head_width, in_range, places, powers, rotation, table};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, RotationPairs};
use crate::{Error, Noise, Tokens};

const WHAT: &str = "mixed rotary positions";

/// Configuration of [`MixedRotaryPosition`].
#[derive(Config, Debug)]
pub struct MixedRotaryPositionConfig {
    /// `θ` of the first frequencies.
    #[config(default = 10.0)]
    pub theta: f64,
}

/// Queries and keys turned by a trained sum of row and column, another for each pair, head and block.
///
/// Heo et al., [Rotary Position Embedding for Vision Transformer](https://arxiv.org/abs/2403.13298) (RoPE-Mixed);
/// naver-ai/rope-vit, `models/vit_rope.py` (`init_random_2d_freqs`, `compute_mixed_cis`); timm 1.0.31's
/// `RotaryEmbeddingMixed`, whose parameter has this name and shape.
///
/// # Shapes
///
/// - tokens of an image, on any grid or off it, in one of the blocks of the [`Site`]
/// - a [`Rotation`](crate::tokens::Rotation) `[1 or batch, heads, prefix + tokens, width]`, `width` that of a head,
///   which 4 divides; the prefix is not turned
///
/// # Equation
///
/// Pair `i` of values `2i` and `2i + 1` turns by `x·freqs[0, block, head, i] + y·freqs[1, block, head, i]`, with row `y`
/// and column `x` counted from 0. At first, `(cos φ, sin φ)·ωᵢ` for the first `q = width/4` pairs and
/// `(cos(φ + π/2), sin(φ + π/2))·ωᵢ` for the others, with `ωᵢ = θ^(−i/q)` and a random `φ` for each head of each block.
///
/// # Departures
///
/// Off the grid, places are fractions of rows and columns.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{MixedRotaryPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let site = Site::new([1, 2], 8).with_blocks(3, 2);
/// let position = MixedRotaryPositionConfig::new().init(&site, &device);
/// assert!(position.per_block());
/// let tokens = patchify(Tensor::zeros([1, 1, 2, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let rotation = position.attend(&tokens, 2, &mut Noise::None).rotation.unwrap();
/// assert_eq!(rotation.cos.dims(), [1, 2, 2, 4]); // batch, heads, tokens, width
/// ```
#[derive(Module, Debug)]
pub struct MixedRotaryPosition {
    /// Radians per column and per row, `[2, depth, heads, width/2]`.
    pub freqs: Param<Tensor<4>>,
}

impl MixedRotaryPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Indivisible`] if 4 does not divide the width of a head, [`Error::Zero`] for no blocks, [`Error::Range`] for
    /// a `θ` that is not above 0.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<MixedRotaryPosition, Error> {
        let count = head_width(WHAT, site, 4)? / 4;
        nonzero("depth", &[site.depth])?;
        let theta = in_range("theta of rotary positions", self.theta, 0.0, true)?;
        let (depth, heads) = (site.depth, site.heads);
        let first = move |device: &Device, tracked: bool| {
            let freqs = first_freqs(theta, [depth, heads, count], device);
            freqs.set_require_grad(tracked)
        };
        let shape = [2, depth, heads, 2 * count].into();
        let id = burn::module::ParamId::new();
        Ok(MixedRotaryPosition {
            freqs: Param::uninitialized(id, first, device.clone(), true, shape),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> MixedRotaryPosition {
        self.try_init(site, device).or_panic()
    }
}

/// Two frequencies at right angles for each `ωᵢ`, turned by a random angle for each head of each block.
fn first_freqs(theta: f64, [depth, heads, count]: [usize; 3], device: &Device) -> Tensor<4> {
    let turn = Distribution::Uniform(0.0, core::f64::consts::TAU);
    let turn = Tensor::<4>::random([1, depth, heads, 1], turn, device);
    let omega = table(powers(theta, count).collect(), [1, 1, 1, count], device);
    let (cos, sin) = (turn.clone().cos(), turn.sin());
    let along = |first: Tensor<4>, second: Tensor<4>| {
        Tensor::cat(vec![first * omega.clone(), second * omega.clone()], 3)
    };
    // cos(φ + π/2) = −sin φ and sin(φ + π/2) = cos φ.
    let [x, y] = [along(cos.clone(), sin.clone().neg()), along(sin, cos)];
    Tensor::cat(vec![x, y], 0)
}

impl Position for MixedRotaryPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame(WHAT, layout)
    }

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, block: usize, _: &mut Noise<'_>) -> Attend {
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let freqs = self.freqs.val();
        let [_, depth, heads, pairs] = freqs.dims();
        assert!(
            block < depth,
            "{WHAT}: expected one of {depth} blocks, counted from 0, got {block}"
        );
        let precise = at_least_single(freqs.dtype());
        let freqs = freqs.slice_dim(1, block..block + 1).cast(precise);
        let places = places(tokens).cast(precise);
        let [batch, count, _] = places.dims();
        let along = |axis: usize, freqs_of: usize| {
            let place = places.clone().slice_dim(2, axis..axis + 1);
            let freqs = freqs.clone().slice_dim(0, freqs_of..freqs_of + 1);
            place.reshape([batch, 1, count, 1]) * freqs.reshape([1, heads, 1, pairs])
        };
        let angles = along(1, 0) + along(0, 1);
        Attend {
            rotation: Some(rotation(tokens, angles, RotationPairs::Interleaved)),
            ..Attend::default()
        }
    }

    fn per_block(&self) -> bool {
        true
    }

    fn packs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tolerance;

    #[test]
    fn frequencies_start_in_pairs_at_right_angles_that_each_head_turns_at_random() {
        let device = Device::flex();
        let site = Site::new([2, 2], 24).with_blocks(3, 2);
        let position = MixedRotaryPositionConfig::new().init(&site, &device);
        let freqs = position.freqs.val();
        assert_eq!(freqs.dims(), [2, 3, 2, 6]);
        let [first, second] = [0..3, 3..6].map(|part| freqs.clone().slice_dim(3, part));
        let product = |a: &Tensor<4>, b: &Tensor<4>| (a.clone() * b.clone()).sum_dim(0);
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        let zeros = Tensor::<4>::zeros([1, 3, 2, 3], &device).into_data();
        product(&first, &second)
            .into_data()
            .assert_approx_eq(&zeros, tolerance);
        let omega = table(powers(10.0, 3).collect(), [1, 1, 1, 3], &device);
        let squares = omega.powi_scalar(2).expand([1, 3, 2, 3]).into_data();
        for half in [&first, &second] {
            product(half, half)
                .into_data()
                .assert_approx_eq(&squares, tolerance);
        }
        // The first frequency is (cos φ, sin φ): another φ for each of 6 heads, anywhere on the circle.
        let cosines = first.slice([0..1, 0..3, 0..2, 0..1]).into_data();
        let mut cosines = cosines.try_to_vec_as::<f32>().unwrap();
        cosines.sort_by(f32::total_cmp);
        assert!(
            cosines.windows(2).all(|pair| pair[0] != pair[1]),
            "{cosines:?}"
        );
    }

    #[test]
    #[should_panic(expected = "mixed rotary positions: expected one of 3 blocks")]
    fn a_block_that_is_not_there_is_refused() {
        let device = Device::flex();
        let site = Site::new([1, 2], 8).with_blocks(3, 2);
        let grid = crate::grid::Window::patch([1, 1], Default::default());
        let grid = grid.layout([1, 2]).unwrap();
        let tokens = Tokens::from_grid(Tensor::zeros([1, 2, 8], &device), grid);
        let position = MixedRotaryPositionConfig::new().init(&site, &device);
        position.attend(&tokens, 3, &mut Noise::None);
    }

    #[test]
    fn a_theta_of_zero_is_an_error() {
        let config = MixedRotaryPositionConfig::new().with_theta(0.0);
        let error = config.try_init(&Site::new([2, 2], 8), &Device::flex());
        assert!(matches!(error, Err(Error::Range { got: 0.0, .. })));
    }
}
