//! Learnable Fourier features.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::layers::{Mlp, MlpConfig, linear};
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::position::Position;
use crate::position::refusals::{one_frame, refuse};
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind, Units};
use crate::{Error, Tokens};

const WHAT: &str = "these Fourier features of row and column";

/// Configuration of [`LearnableFourierPosition`].
#[derive(Config, Debug)]
pub struct LearnableFourierPositionConfig {
    /// Number of features, cosines and sines together; even. None: the width of the tokens, or one more where that is odd.
    pub features: Option<usize>,
    /// Width between the layers of the perceptron.
    #[config(default = 32)]
    pub hidden: usize,
    /// Frequencies start at `N(0, γ⁻²)` radians per cell.
    #[config(default = 10.0)]
    pub gamma: f64,
}

/// Cosines and sines of trained frequencies of the place, through a perceptron, added to each token.
///
/// Li et al., [Learnable Fourier Features](https://arxiv.org/abs/2106.02795), algorithm 1.
///
/// # Shapes
///
/// - tokens of width `dim`, on any grid or off it
/// - the same tokens, `ê = e + π`; prefix tokens unchanged
///
/// # Equation
///
/// `π(x) = W₂·GELU(W₁·r + b₁) + b₂`, `r = [cos(W_r·x), sin(W_r·x)]/√F` for `F` features of the place `x`, row and column in
/// cells.
///
/// # Departures
///
/// One group of axes, row and column together. The perceptron starts by Glorot's rule; the paper does not say how.
/// Phases, cosines and sines are computed in single precision at least.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{LearnableFourierPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let position = LearnableFourierPositionConfig::new().init(&Site::new([2, 2], 8), &device);
/// let tokens = embed.forward(Tensor::ones([1, 1, 8, 12], &device)); // another grid
/// assert_eq!(position.add(tokens, 0).embeddings().dims(), [1, 6, 8]);
/// ```
#[derive(Module, Debug)]
pub struct LearnableFourierPosition {
    /// Frequencies, `2 → features/2`.
    pub w_r: Linear,
    /// The perceptron, `features → dim`.
    pub mlp: Mlp,
}

impl LearnableFourierPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no width or no features, [`Error::Indivisible`] for an odd number of features,
    /// [`Error::Range`] for a `γ` that is not a finite number above 0, [`Error::Place`] for a clip.
    pub fn try_init(
        &self,
        site: &Site,
        device: &Device,
    ) -> Result<LearnableFourierPosition, Error> {
        let features = self.features.unwrap_or(site.dim.next_multiple_of(2));
        let sizes = [features, self.hidden, site.dim];
        nonzero("features, hidden and dim", &sizes)?;
        if !features.is_multiple_of(2) {
            return Err(Error::Indivisible {
                what: "Fourier features",
                divisor: 2,
                got: features,
            });
        }
        if !(self.gamma.is_finite() && self.gamma > 0.0) {
            return Err(Error::Range {
                what: "gamma of the Fourier features",
                expected: "a finite number above 0".into(),
                got: self.gamma,
            });
        }
        if site.grid[0] > 1 {
            refuse(WHAT, "one frame", format!("{} frames", site.grid[0]))?;
        }
        let frequencies = Initializer::Normal {
            mean: 0.0,
            std: self.gamma.recip(),
        };
        Ok(LearnableFourierPosition {
            w_r: linear([2, features / 2], frequencies, None, device),
            mlp: MlpConfig::new(features, self.hidden)
                .with_output(Some(site.dim))
                .init(device),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> LearnableFourierPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for LearnableFourierPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame(WHAT, layout)
    }

    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        if !self.adds(before_block) {
            return tokens;
        }
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let dtype = tokens.embeddings().dtype();
        let weight = self.w_r.weight.val();
        let (places, weights) = (tokens.coordinates(Units::Cells), weight.dtype());
        let precise = at_least_single(weights);
        let [_, waves] = weight.dims();
        let phases = places
            .cast(precise)
            .matmul(weight.cast(precise).unsqueeze_dim(0));
        let features = Tensor::cat(vec![phases.clone().cos(), phases.sin()], 2);
        let features = features * (2.0 * waves as f64).powf(-0.5);
        let place = self.mlp.forward(features.cast(weights));
        add(tokens, place.cast(dtype), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Places;
    use burn::tensor::Tolerance;

    #[test]
    fn the_same_place_is_told_alike_on_any_grid_and_off_it() {
        let device = Device::flex();
        let position = LearnableFourierPositionConfig::new().init(&Site::new([2, 3], 5), &device);
        let window = Window::patch([2, 2], Default::default());
        let tokens = |size: [usize; 2]| {
            let grid = window.layout(size).unwrap();
            Tokens::from_grid(Tensor::zeros([1, grid.tokens(), 5], &device), grid)
        };
        let (small, large) = (tokens([4, 6]), tokens([6, 10]));
        let cells = Tensor::from_ints([[0, 1, 2, 5, 6, 7]], &device);
        let large = large.select(cells);
        let boxed = small.clone().with_places(Places::Boxes(small.boxes_px()));
        let want = position.add(small, 0).into_embeddings().into_data();
        for tokens in [large, boxed] {
            let got = position.add(tokens, 0).into_embeddings().into_data();
            got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
        }
    }

    #[test]
    fn senseless_settings_are_errors() {
        let error = |config: LearnableFourierPositionConfig| {
            let error = config.try_init(&Site::new([2, 3], 6), &Device::flex());
            error.unwrap_err().to_string()
        };
        let config = LearnableFourierPositionConfig::new;
        let odd = error(config().with_features(Some(7)));
        let want = "Fourier features: expected a dimension divisible by 2, got 7";
        assert_eq!(odd, want);
        for gamma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let text = error(config().with_gamma(gamma));
            assert!(text.contains("a finite number above 0"), "{text}");
        }
        assert!(error(config().with_hidden(0)).contains("must be at least 1"));
    }
}
