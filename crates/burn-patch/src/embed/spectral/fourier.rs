//! Patches as Fourier coefficients.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::linear::LinearPatchEmbed;
use crate::embed::patch_embed::{PatchEmbed, expect_layout, on_grid, select};
use crate::embed::spectral::bands::{FourierBand, HighBand};
use crate::embed::spectral::fourier_basis::{fourier_basis, half_plane, radius};
use crate::embed::spectral::global_filter::{GlobalFilter, GlobalFilterConfig};
use crate::embed::spectral::spectrum::Spectrum;
use crate::embed::spectral::transform::{Folded, projection};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::ops::{Images, gather_rows, patch_windows};
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Whether low and high frequencies are projected apart.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Bands {
    /// One projection of all frequencies.
    #[default]
    Whole,
    /// A projection each of the frequencies up to a radius and of those beyond, mixed by a gate.
    Split {
        /// The radius, in cycles per pixel: ½ is the highest frequency along an axis, `√½` that along both.
        cutoff: f64,
    },
}

/// Configuration of [`FourierPatchEmbed`].
#[derive(Config, Debug)]
pub struct FourierPatchEmbedConfig {
    /// Patch `[height, width]` in pixels.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// How coefficients become numbers.
    #[config(default = "Spectrum::RealImaginary")]
    pub spectrum: Spectrum,
    /// Whether low and high frequencies are projected apart.
    #[config(default = "Bands::Whole")]
    pub bands: Bands,
    /// Whether the projections have a bias.
    #[config(default = true)]
    pub bias: bool,
    /// The token grid `[rows, cols]` that a [`GlobalFilter`] mixes; none without one.
    pub global_filter: Option<[usize; 2]>,
}

/// Patches as Fourier coefficients, then a projection, of all frequencies or of low and high ones apart.
///
/// No paper defines this embedding. It is one precise reading of "Fourier features of a patch, with low and high
/// frequencies mixed". The global filter is that of Rao et al.,
/// [Global Filter Networks](https://arxiv.org/abs/2107.00645).
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, (height/patch height)·(width/patch width), dim]`, row-major
/// - features of a channel: for the frequencies `[patch height, patch width/2 + 1]` of `numpy.fft.rfft2`, row by
///   row, real parts and then imaginary parts, or amplitudes, cosines and sines; channel after channel
///
/// # Equation
///
/// `X[v, u] = (kh·kw)^(−½)·Σ p[y, x]·exp(−2πi(vy/kh + ux/kw))`, `z` its [`Spectrum`]. Whole: `e = Wᵀ·z + b`. In two
/// bands, with `ρ² = (min(v, kh − v)/kh)² + (u/kw)²`, `z_low` the features with `ρ ≤ cutoff` and `z_high` the others:
///
/// `e = σ(γ) ⊙ (W_lowᵀ·z_low + b_low) + (1 − σ(γ)) ⊙ (W_highᵀ·z_high + b_high)`
///
/// with one trained `γ` per channel of the embedding, 0 at first: a channel with `σ(γ) = 1` sees the low-pass
/// filtered patch, one with 0 the high-pass filtered one. With a global filter `G` over the grid the tokens are
/// `e + G(e)`, as the filter is on the residual branch of GFNet's block.
///
/// Real and imaginary parts are linear in the pixels: without a global filter this then runs as one projection
/// of the pixels, and [`fold`](Self::fold) gives it.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{Bands, FourierPatchEmbedConfig, PatchEmbed, Spectrum};
///
/// let device = Device::flex();
/// let config = FourierPatchEmbedConfig::new([6, 5], 3, 32)
///     .with_spectrum(Spectrum::AmplitudePhase { epsilon: 1e-6 })
///     .with_bands(Bands::Split { cutoff: 0.25 })
///     .with_global_filter(Some([2, 3]));
/// let embed = config.init(&device);
/// assert_eq!(embed.forward(Tensor::zeros([1, 3, 12, 15], &device)).tokens(), 6);
/// assert!(embed.layout([12, 20]).is_err());
/// assert!(embed.fold().is_none());
/// ```
#[derive(Module, Debug)]
pub struct FourierPatchEmbed {
    /// All frequencies, or the low ones.
    pub band: FourierBand,
    /// The high frequencies and the gate.
    pub high: Option<HighBand>,
    /// GFNet's filter over the token grid.
    pub filter: Option<GlobalFilter>,
    #[module(skip)]
    spectrum: Spectrum,
    patch: [usize; 2],
    channels: usize,
}

impl FourierPatchEmbedConfig {
    /// Real and imaginary parts in two bands, split at half the highest frequency of an axis, and one token per
    /// `stride` pixels.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(stride, channels, dim).with_bands(Bands::Split { cutoff: 0.25 })
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, channel count, dim or grid, [`Error::Range`] for a cut-off that leaves a
    /// band without frequencies and for an ε that is not positive.
    pub fn try_init(&self, device: &Device) -> Result<FourierPatchEmbed, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        if let Some(got) = self.spectrum.epsilon()
            && !(got.is_finite() && got > 0.0)
        {
            return Err(Error::Range {
                what: "epsilon of an amplitude",
                expected: "a positive number".into(),
                got,
            });
        }
        let all = half_plane(self.patch);
        let (band, high) = match self.bands {
            Bands::Whole => (self.band(&all, device), None),
            Bands::Split { cutoff } => {
                let [low, high] = self.split(all, cutoff)?;
                let high = HighBand {
                    band: self.band(&high, device),
                    gate: Initializer::Zeros.init([self.dim], device),
                };
                (self.band(&low, device), Some(high))
            }
        };
        let filter = self
            .global_filter
            .map(|grid| GlobalFilterConfig::new(grid, self.dim).try_init(device));
        Ok(FourierPatchEmbed {
            band,
            high,
            filter: filter.transpose()?,
            spectrum: self.spectrum,
            patch: self.patch,
            channels: self.channels,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> FourierPatchEmbed {
        self.try_init(device).or_panic()
    }

    fn split(&self, all: Vec<[usize; 2]>, cutoff: f64) -> Result<[Vec<[usize; 2]>; 2], Error> {
        let radius = |at: &[usize; 2]| radius(self.patch, *at);
        let largest = all.iter().map(radius).fold(0.0, f64::max);
        if !(cutoff >= 0.0 && cutoff < largest) {
            return Err(Error::Range {
                what: "cut-off in cycles per pixel",
                expected: format!("at least 0 and below {largest}"),
                got: cutoff,
            });
        }
        let (low, high) = all.into_iter().partition(|at| radius(at) <= cutoff);
        Ok([low, high])
    }

    fn band(&self, frequencies: &[[usize; 2]], device: &Device) -> FourierBand {
        let basis = fourier_basis(self.patch, frequencies);
        let inputs = self.channels * frequencies.len() * self.spectrum.per_frequency();
        FourierBand {
            proj: projection(inputs, self.dim, self.bias, device),
            basis: basis.to_tensor(device),
        }
    }
}

impl FourierPatchEmbed {
    /// The features that the projections see, as tokens of their own: all, or the low and then the high ones.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward).
    #[track_caller]
    pub fn features(&self, images: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let windows = patch_windows(images, &grid);
        let bands = [Some(&self.band), self.high.as_ref().map(|high| &high.band)];
        let features = bands.into_iter().flatten();
        let features = features.map(|band| band.features(windows.clone(), self.spectrum));
        Tokens::from_grid(Tensor::cat(features.collect(), 2), grid)
    }

    /// The linear patch embedding that gives the same tokens; none for amplitudes and phases or with a global filter.
    pub fn fold(&self) -> Option<LinearPatchEmbed> {
        let linear = self.spectrum == Spectrum::RealImaginary && self.filter.is_none();
        linear.then(|| self.folded().into_embed())
    }

    fn folded(&self) -> Folded {
        let low = self.band.folded(self.patch);
        let Some(high) = &self.high else {
            return low;
        };
        let other = high.band.folded(self.patch);
        let [dim, ..] = low.weight.dims();
        Folded {
            weight: high.mix(low.weight, other.weight, [dim, 1, 1, 1]),
            bias: low
                .bias
                .zip(other.bias)
                .map(|(low, other)| high.mix(low, other, [dim])),
        }
    }

    /// The tokens before the global filter.
    fn embed(&self, images: Images, cells: Option<Tensor<2, Int>>, grid: &PatchGrid) -> Tensor<3> {
        if self.spectrum == Spectrum::RealImaginary {
            return self.folded().project(images, cells, grid);
        }
        let images = images.into_floats(self.band.proj.weight.val().dtype());
        let windows = patch_windows(images, grid);
        let windows = match cells {
            Some(cells) => gather_rows(windows, cells),
            None => windows,
        };
        let low = self.band.project(windows.clone(), self.spectrum);
        match &self.high {
            Some(high) => {
                let other = high.band.project(windows, self.spectrum);
                high.mix(low, other, [1, 1, self.dim()])
            }
            None => low,
        }
    }
}

impl PatchEmbed for FourierPatchEmbed {
    fn channels(&self) -> usize {
        self.channels
    }

    fn dim(&self) -> usize {
        self.band.proj.weight.dims()[1]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        let grid = Window::patch(self.patch, Remainder::Reject).layout(size)?;
        match &self.filter {
            Some(filter) if filter.grid() != [grid.rows, grid.cols] => Err(Error::Shape {
                what: "token grid and the global filter's",
                expected: filter.grid().to_vec(),
                got: vec![grid.rows, grid.cols],
            }),
            _ => Ok(grid),
        }
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let Some(filter) = &self.filter else {
            return on_grid(self.embed(images, cells.clone(), &grid), grid, cells);
        };
        let tokens = self.embed(images, None, &grid);
        let tokens = tokens.clone() + filter.forward(tokens);
        select(Tokens::from_grid(tokens, grid), cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::tensor::{Distribution, TensorData, Tolerance};
    use rstest::rstest;

    const SPLIT: Bands = Bands::Split { cutoff: 0.25 };

    fn assert_close<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
        left.into_data()
            .assert_approx_eq(&right.into_data(), tolerance);
    }

    fn random(shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::random(shape, Distribution::Default, device)
    }

    fn grating(size: [usize; 2], frequency: [f64; 2], device: &Device) -> Tensor<4> {
        let values: Vec<f32> = (0..size[0] * size[1])
            .map(|i| {
                let [y, x] = [i / size[1], i % size[1]].map(|place| place as f64);
                let turns = frequency[0] * y / size[0] as f64 + frequency[1] * x / size[1] as f64;
                (core::f64::consts::TAU * turns).cos() as f32
            })
            .collect();
        Tensor::from_data(TensorData::new(values, [1, 1, size[0], size[1]]), device)
    }

    #[rstest]
    fn real_and_imaginary_parts_are_one_linear_map(#[values(Bands::Whole, SPLIT)] bands: Bands) {
        let device = Device::flex();
        let mut embed = FourierPatchEmbedConfig::new([4, 5], 2, 3)
            .with_bands(bands)
            .init(&device);
        let images = random([2, 2, 8, 15], &device);
        let windows = patch_windows(images.clone(), &embed.layout([8, 15]).unwrap());
        let low = embed.band.project(windows.clone(), embed.spectrum);
        let want = match &mut embed.high {
            None => low,
            Some(high) => {
                high.gate = Param::from_tensor(Tensor::from_floats([-1.0, 0.5, 2.0], &device));
                let share = high.low_share().reshape([1, 1, 3]);
                let other = high.band.project(windows, embed.spectrum);
                low * share.clone() + other * (-share + 1.0)
            }
        };
        assert_close(
            embed.forward(images.clone()).into_embeddings(),
            want.clone(),
        );
        let folded = embed.fold().unwrap();
        assert_close(folded.forward(images).into_embeddings(), want);
    }

    #[test]
    fn a_grating_lights_its_frequency_and_its_band() {
        let device = Device::flex();
        let config = FourierPatchEmbedConfig::new([8, 8], 1, 2);
        let image = grating([8, 8], [1.0, 3.0], &device);
        let features = config.init(&device).features(image.clone());
        let mut want = vec![0.0f32; 80];
        want[5 + 3] = 4.0; // Half the energy of 64·½ = 32 is 4².
        let want = Tensor::from_data(TensorData::new(want, [1, 1, 80]), &device);
        assert_close(features.into_embeddings(), want);

        // 3 of 8 is beyond ¼ cycle per pixel: a channel of low frequencies alone sees nothing.
        let mut split = config.with_bands(SPLIT).with_bias(false).init(&device);
        let high = split.high.as_mut().unwrap();
        high.gate = Param::from_tensor(Tensor::from_floats([1e4, -1e4], &device));
        let weight = Tensor::full(high.band.proj.weight.dims(), 0.1, &device);
        high.band.proj.weight = Param::from_tensor(weight);
        let tokens = split.forward(image).into_embeddings().into_data();
        let tokens = tokens.try_to_vec_as::<f32>().unwrap();
        assert!(
            tokens[0].abs() < 1e-4 && tokens[1].abs() > 1e-3,
            "{tokens:?}"
        );
    }

    #[test]
    fn a_constant_image_has_amplitude_and_phase_at_zero_frequency_only() {
        let device = Device::flex();
        let embed = FourierPatchEmbedConfig::new([4, 2], 1, 2)
            .with_spectrum(Spectrum::AmplitudePhase { epsilon: 1e-6 })
            .init(&device);
        let features = embed.features(Tensor::full([1, 1, 4, 2], -0.5, &device));
        let mut want = vec![1e-3f32; 8];
        want[0] = 0.5 * 8.0f32.sqrt();
        want.extend([0.0; 16]);
        want[8] = -1.0;
        let want = Tensor::from_data(TensorData::new(want, [1, 1, 24]), &device);
        assert_close(features.into_embeddings(), want);
    }

    #[rstest]
    #[case(Spectrum::AmplitudePhase { epsilon: 1e-6 })]
    #[case(Spectrum::LogAmplitudePhase { epsilon: 1e-6 })]
    fn amplitude_and_phase_have_finite_gradients_where_there_is_nothing(
        #[case] spectrum: Spectrum,
    ) {
        let device = Device::flex().autodiff();
        let embed = FourierPatchEmbedConfig::new([4, 4], 1, 2)
            .with_spectrum(spectrum)
            .with_bands(SPLIT)
            .init(&device);
        let images = Tensor::zeros([1, 1, 4, 4], &device).require_grad();
        let grads = embed
            .forward(images.clone())
            .into_embeddings()
            .sum()
            .backward();
        let grad = images.grad(&grads).unwrap().into_data();
        let grad = grad.try_to_vec_as::<f32>().unwrap();
        assert!(grad.iter().all(|value| value.is_finite()));
        assert!(grad.iter().any(|value| *value != 0.0));
    }

    #[test]
    fn amplitudes_do_not_see_a_circular_shift() {
        let device = Device::flex();
        let embed = FourierPatchEmbedConfig::new([4, 6], 1, 2)
            .with_spectrum(Spectrum::LogAmplitudePhase { epsilon: 1e-6 })
            .init(&device);
        let images = random([1, 1, 4, 6], &device);
        let index = Tensor::<1, Int>::from_ints([2, 3, 4, 5, 0, 1], &device);
        let shifted = images.clone().select(3, index);
        let [left, right] = [images, shifted].map(|images| {
            let features = embed.features(images).into_embeddings();
            features.slice_dim(2, ..16)
        });
        assert_close(left, right);
    }

    #[test]
    fn picked_cells_are_those_of_the_whole_in_every_form() {
        let device = Device::flex();
        let polar = Spectrum::AmplitudePhase { epsilon: 1e-6 };
        for (spectrum, filter) in [(polar, None), (Spectrum::RealImaginary, Some([2, 3]))] {
            let embed = FourierPatchEmbedConfig::new([4, 4], 2, 3)
                .with_spectrum(spectrum)
                .with_bands(SPLIT)
                .with_global_filter(filter)
                .init(&device);
            let images = random([1, 2, 8, 12], &device);
            let cells = Tensor::from_ints([[5, 0, 2]], &device);
            let want = embed.forward(images.clone()).select(cells.clone());
            let visible = embed.forward_visible(images, cells);
            assert_close(visible.into_embeddings(), want.into_embeddings());
        }
    }

    #[rstest]
    #[case(Bands::Split { cutoff: -0.1 })]
    #[case(Bands::Split { cutoff: 0.75 })]
    #[case(Bands::Split { cutoff: f64::NAN })]
    fn a_cut_off_that_leaves_a_band_empty_is_an_error(#[case] bands: Bands) {
        let config = FourierPatchEmbedConfig::new([4, 4], 3, 8).with_bands(bands);
        let error = config.try_init(&Device::flex()).unwrap_err();
        assert!(format!("{error}").contains("below 0.707"), "{error}");
    }

    #[test]
    fn other_grids_than_the_filters_and_no_epsilon_are_errors() {
        let device = Device::flex();
        let config = FourierPatchEmbedConfig::new([4, 4], 1, 8).with_global_filter(Some([2, 3]));
        let error = config.init(&device).layout([12, 8]).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }));
        let spectrum = Spectrum::AmplitudePhase { epsilon: 0.0 };
        let error = config.with_spectrum(spectrum).try_init(&device);
        assert!(matches!(error, Err(Error::Range { .. })));
    }
}
