//! Patches as wavelet coefficients.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::embed::linear::LinearPatchEmbed;
use crate::embed::patch_embed::{PatchEmbed, expect_layout};
use crate::embed::spectral::transform::{Folded, features, fold, projection};
use crate::embed::spectral::wavelet_basis::{Surround, Wavelet, wavelet_basis};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// What is transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WaveletDomain {
    /// Each patch by itself, continued periodically.
    #[default]
    Patch,
    /// The image, continued periodically; a token takes the coefficients of every subband that lie over its
    /// cell. Filters longer than Haar's then read across the patches' borders.
    Image,
}

/// Configuration of [`WaveletPatchEmbed`].
#[derive(Config, Debug)]
pub struct WaveletPatchEmbedConfig {
    /// Patch `[height, width]` in pixels.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// The wavelet.
    #[config(default = "Wavelet::Haar")]
    pub wavelet: Wavelet,
    /// How often the approximation is transformed again.
    #[config(default = 1)]
    pub levels: usize,
    /// What is transformed.
    #[config(default = "WaveletDomain::Patch")]
    pub domain: WaveletDomain,
    /// Whether the projection has a bias.
    #[config(default = true)]
    pub bias: bool,
}

/// Patches as coefficients of an orthonormal multi-level wavelet transform, then a projection.
///
/// Mallat, [A theory for multiresolution signal decomposition](https://doi.org/10.1109/34.192463), 1989, and
/// Daubechies, [Orthonormal bases of compactly supported wavelets](https://doi.org/10.1002/cpa.3160410705), 1988;
/// the coefficients are those of PyWavelets' `wavedec2` with `mode='periodization'`.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, (height/patch height)·(width/patch width), dim]`, row-major
/// - `proj.weight` `[channels·patch height·patch width, dim]`: channel after channel, in each the coarsest
///   approximation, then level by level from the coarsest cH, cV and cD, row by row
///
/// # Equation
///
/// `e = Wᵀ·(T·p) + b`, `TᵀT = 1`; of one level `T = [L; H] ⊗ [L; H]` with
/// `(L·x)[k] = Σ_o l[o]·x[2k + o]` and `o` from `1 − taps/2` to `taps/2`, indices modulo the length.
///
/// All of it is linear, so that it runs as one projection of the pixels: of each patch, or, in the domain of the
/// image, of windows that reach `(taps/2 − 1)·(2^levels − 1)` pixels further on each side, over the image
/// continued periodically.
///
/// # Departures
///
/// No paper defines this embedding (Wave-ViT transforms keys and values instead). As for any invertible linear
/// transform of a patch, the domain of the patch is a linear embedding with rotated weights; what it changes is
/// where training starts from and how optimisers scale its steps. In the domain of the image it is another
/// embedding, with overlapping windows.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{PatchEmbed, Wavelet, WaveletDomain, WaveletPatchEmbedConfig};
///
/// let device = Device::flex();
/// let config = WaveletPatchEmbedConfig::new([8, 8], 3, 32).with_levels(2);
/// let embed = config.clone().init(&device);
/// assert_eq!(embed.forward(Tensor::zeros([1, 3, 16, 24], &device)).tokens(), 6);
///
/// let overlapping = config
///     .with_wavelet(Wavelet::DaubechiesFourTaps)
///     .with_domain(WaveletDomain::Image)
///     .init(&device);
/// assert_eq!(overlapping.layout([16, 24]).unwrap().window.kernel, [8 + 2 * 3, 8 + 2 * 3]);
/// ```
#[derive(Module, Debug)]
pub struct WaveletPatchEmbed {
    /// The projection of the coefficients.
    pub proj: Linear,
    /// Fixed, so not saved.
    basis: Tensor<2>,
    patch: [usize; 2],
    channels: usize,
    /// Pixels that a token reads beyond its cell, on each side.
    reach: usize,
}

impl WaveletPatchEmbedConfig {
    /// Haar with as many levels as the patch has, at least one, and one token per `stride` pixels.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        let levels = stride.map(|side| if side == 0 { 0 } else { side.trailing_zeros() });
        Self::new(stride, channels, dim).with_levels(levels[0].min(levels[1]).max(1) as usize)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, channel count, dim or number of levels, [`Error::Indivisible`] for a patch
    /// that `2^levels` does not divide, [`Error::Overflow`] for so many levels that it has no such number.
    pub fn try_init(&self, device: &Device) -> Result<WaveletPatchEmbed, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        nonzero("levels", &[self.levels])?;
        let divisor = u32::try_from(self.levels)
            .ok()
            .and_then(|levels| 2usize.checked_pow(levels))
            .ok_or_else(|| Error::Overflow {
                what: "2^levels",
                got: vec![self.levels],
            })?;
        if let Some(got) = self.patch.iter().find(|side| *side % divisor != 0) {
            return Err(Error::Indivisible {
                what: "side of a patch for 2^levels",
                divisor,
                got: *got,
            });
        }
        let (surround, reach) = match self.domain {
            WaveletDomain::Patch => (Surround::Itself, 0),
            WaveletDomain::Image => (Surround::Picture, self.wavelet.reach(self.levels)),
        };
        let basis = wavelet_basis(self.wavelet, self.levels, self.patch, surround);
        let inputs = self.channels * basis.rows();
        Ok(WaveletPatchEmbed {
            proj: projection(inputs, self.dim, self.bias, device),
            basis: basis.to_tensor(device),
            patch: self.patch,
            channels: self.channels,
            reach,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> WaveletPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl WaveletPatchEmbed {
    /// The coefficients that the projection sees, as tokens of their own.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward).
    #[track_caller]
    pub fn features(&self, images: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, &images);
        let (images, windows) = self.continued(images);
        Tokens::from_grid(features(images, &self.basis, &windows), grid)
    }

    /// The linear patch embedding that gives the same tokens; none where windows reach beyond their cells.
    pub fn fold(&self) -> Option<LinearPatchEmbed> {
        (self.reach == 0).then(|| self.folded().into_embed())
    }

    fn folded(&self) -> Folded {
        fold(
            &self.proj,
            None,
            &self.basis,
            self.patch.map(|side| side + 2 * self.reach),
        )
    }

    /// The images continued periodically, and the windows over them.
    fn continued(&self, images: Tensor<4>) -> (Tensor<4>, PatchGrid) {
        let [_, _, height, width] = images.dims();
        let images = wrap(wrap(images, 2, self.reach), 3, self.reach);
        let window = Window {
            kernel: self.patch.map(|side| side + 2 * self.reach),
            ..Window::patch(self.patch, Remainder::Reject)
        };
        let size = [height, width].map(|side| side + 2 * self.reach);
        let windows = window.layout(size).or_panic();
        (images, windows)
    }

    fn embed(&self, images: Tensor<4>, cells: Option<Tensor<2, Int>>) -> Tensor<3> {
        let (images, windows) = self.continued(images);
        self.folded().project(images, cells, &windows)
    }
}

/// Adds `reach` rows or columns on each side, as if the image began again.
fn wrap(images: Tensor<4>, axis: usize, reach: usize) -> Tensor<4> {
    if reach == 0 {
        return images;
    }
    let len = images.dims()[axis];
    let index: Vec<i32> = (0..len + 2 * reach)
        .map(|place| (place as i32 - reach as i32).rem_euclid(len as i32))
        .collect();
    let data = TensorData::new(index, [len + 2 * reach]);
    let index = Tensor::<1, Int>::from_data(data, &images.device());
    images.select(axis, index)
}

impl PatchEmbed for WaveletPatchEmbed {
    fn channels(&self) -> usize {
        self.channels
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    /// The windows are those over the image, with what they read beyond it as padding: not zeros, but the image
    /// again.
    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        let cells = Window::patch(self.patch, Remainder::Reject).layout(size)?;
        if self.reach == 0 {
            return Ok(cells);
        }
        let kernel = self.patch.map(|side| side + 2 * self.reach);
        Window::symmetric(kernel, self.patch, [self.reach; 2]).layout(size)
    }

    fn forward(&self, images: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, &images);
        Tokens::from_grid(self.embed(images, None), grid)
    }

    fn forward_visible(&self, images: Tensor<4>, cells: Tensor<2, Int>) -> Tokens {
        let grid = expect_layout(self, &images);
        let embeddings = self.embed(images, Some(cells.clone()));
        Tokens::from_cells(embeddings, grid, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::fold_windows;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    fn assert_close<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
        left.into_data()
            .assert_approx_eq(&right.into_data(), tolerance);
    }

    fn random(shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::random(shape, Distribution::Default, device)
    }

    fn energy<const D: usize>(values: Tensor<D>) -> Tensor<1> {
        (values.clone() * values).sum()
    }

    #[rstest]
    fn energy_is_preserved_in_both_domains(
        #[values(
            Wavelet::Haar,
            Wavelet::DaubechiesFourTaps,
            Wavelet::DaubechiesEightTaps
        )]
        wavelet: Wavelet,
        #[values(WaveletDomain::Patch, WaveletDomain::Image)] domain: WaveletDomain,
    ) {
        let device = Device::flex();
        let embed = WaveletPatchEmbedConfig::new([4, 8], 2, 3)
            .with_wavelet(wavelet)
            .with_levels(2)
            .with_domain(domain)
            .init(&device);
        // The image is smaller than what the longest filters reach.
        let images = random([2, 2, 8, 16], &device);
        let features = embed.features(images.clone()).into_embeddings();
        assert_close(energy(features), energy(images));
    }

    #[test]
    fn coefficients_give_the_image_back() {
        let device = Device::flex();
        let embed = WaveletPatchEmbedConfig::new([8, 8], 2, 3)
            .with_wavelet(Wavelet::DaubechiesFourTaps)
            .with_levels(3)
            .init(&device);
        let images = random([2, 2, 16, 8], &device);
        let features = embed.features(images.clone());
        let grid = *features.grid();
        let rows = features.into_embeddings().reshape([2 * 2 * 2, 64]);
        let windows = rows.matmul(embed.basis.clone()).reshape([2, 2, 128]);
        assert_close(fold_windows(windows, &grid), images);
    }

    #[rstest]
    fn projecting_the_features_gives_the_tokens(
        #[values(WaveletDomain::Patch, WaveletDomain::Image)] domain: WaveletDomain,
    ) {
        let device = Device::flex();
        let embed = WaveletPatchEmbedConfig::new([4, 8], 2, 3)
            .with_wavelet(Wavelet::DaubechiesFourTaps)
            .with_levels(2)
            .with_domain(domain)
            .init(&device);
        let images = random([2, 2, 8, 24], &device);
        let want = embed
            .proj
            .forward(embed.features(images.clone()).into_embeddings());
        assert_close(
            embed.forward(images.clone()).into_embeddings(),
            want.clone(),
        );
        match embed.fold() {
            Some(folded) => assert_close(folded.forward(images).into_embeddings(), want),
            None => assert_eq!(domain, WaveletDomain::Image),
        }
    }

    #[test]
    fn haar_never_leaves_the_patch() {
        let device = Device::flex();
        let config = WaveletPatchEmbedConfig::new([4, 8], 1, 3).with_levels(2);
        let images = random([1, 1, 8, 16], &device);
        let patch = config.init(&device);
        let image = config.with_domain(WaveletDomain::Image).init(&device);
        assert!(image.fold().is_some());
        assert_close(
            patch.features(images.clone()).into_embeddings(),
            image.features(images).into_embeddings(),
        );
    }

    #[test]
    fn picked_cells_across_the_border_are_those_of_the_whole() {
        let device = Device::flex();
        let embed = WaveletPatchEmbedConfig::new([4, 4], 1, 3)
            .with_wavelet(Wavelet::DaubechiesFourTaps)
            .with_levels(2)
            .with_domain(WaveletDomain::Image)
            .init(&device);
        let images = random([1, 1, 8, 12], &device);
        let cells = Tensor::from_ints([[5, 0, 2]], &device);
        let all = embed.forward(images.clone());
        assert_eq!(*all.grid(), embed.layout([8, 12]).unwrap());
        let want = all.select(cells.clone()).into_embeddings();
        assert_close(embed.forward_visible(images, cells).into_embeddings(), want);
    }

    #[test]
    fn a_constant_image_has_approximations_only() {
        let device = Device::flex();
        let embed = WaveletPatchEmbedConfig::for_stride([8, 4], 1, 3).init(&device);
        let features = embed.features(Tensor::ones([1, 1, 8, 4], &device));
        let values = features.into_embeddings().into_data();
        let values = values.try_to_vec_as::<f32>().unwrap();
        // Two levels leave 2 × 1 means over 4 × 4 pixels.
        assert!(values[..2].iter().all(|value| (value - 4.0).abs() < 1e-5));
        assert!(values[2..].iter().all(|value| value.abs() < 1e-5));
    }

    #[rstest]
    #[case([4, 6], 2, 4, 6)]
    #[case([3, 4], 1, 2, 3)]
    fn levels_beyond_the_patch_are_an_error(
        #[case] patch: [usize; 2],
        #[case] levels: usize,
        #[case] divisor: usize,
        #[case] got: usize,
    ) {
        let config = WaveletPatchEmbedConfig::new(patch, 3, 8).with_levels(levels);
        let error = config.try_init(&Device::flex()).unwrap_err();
        let what = "side of a patch for 2^levels";
        assert_eq!(error, Error::Indivisible { what, divisor, got });
    }

    #[test]
    fn images_that_the_patch_does_not_divide_are_errors_in_both_domains() {
        let device = Device::flex();
        let config =
            WaveletPatchEmbedConfig::new([8, 8], 3, 8).with_wavelet(Wavelet::DaubechiesFourTaps);
        for domain in [WaveletDomain::Patch, WaveletDomain::Image] {
            let embed = config.clone().with_domain(domain).init(&device);
            for size in [[9, 8], [8, 12], [4, 8]] {
                assert!(embed.layout(size).is_err(), "{size:?}");
            }
        }
    }
}
