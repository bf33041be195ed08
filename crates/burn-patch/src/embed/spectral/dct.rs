//! Patches as cosine coefficients.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::linear::LinearPatchEmbed;
use crate::embed::patch_embed::{PatchEmbed, check_channels, expect_layout, on_grid};
use crate::embed::spectral::dct_basis::{block_basis, check_frequencies, jpeg_basis, jpeg_blocks};
use crate::embed::spectral::matrix::Matrix;
use crate::embed::spectral::statistics::FeatureStatistics;
use crate::embed::spectral::transform::{Folded, features, fold, projection};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::ops::Images;
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Which planes are transformed, in which blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DctLayout {
    /// Each channel of the patch as one block.
    #[default]
    PerChannel,
    /// Luma and, averaged over 2×2 pixels, chroma of an RGB patch in blocks of 8×8, as a JPEG file with 4:2:0
    /// subsampling holds them: 4 + 1 + 1 blocks in a patch of 16×16. A component that is smaller than 8×8 in the
    /// patch is one block.
    Jpeg,
    /// The same with each component's blocks merged to one ("sub-block conversion"), the default of the reference.
    JpegMerged,
}

/// How many coefficients of each block are kept, in zig-zag order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Frequencies {
    /// All.
    All,
    /// The first half, rounded up.
    #[default]
    Half,
    /// So many.
    First(usize),
}

impl Frequencies {
    const fn of_block(self, [height, width]: [usize; 2]) -> usize {
        match self {
            Self::All => height * width,
            Self::Half => (height * width).div_ceil(2),
            Self::First(count) => count,
        }
    }
}

/// Published embeddings of JPEG coefficients: patch and dim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DctPreset {
    /// RGB-no-more's ViT-Ti: patch 16, dim 192.
    RgbNoMoreTiny,
    /// RGB-no-more's ViT-S: patch 16, dim 384.
    RgbNoMoreSmall,
}

impl DctPreset {
    const fn geometry(self) -> (usize, usize) {
        match self {
            Self::RgbNoMoreTiny => (16, 192),
            Self::RgbNoMoreSmall => (16, 384),
        }
    }
}

/// Configuration of [`DctPatchEmbed`].
#[derive(Config, Debug)]
pub struct DctPatchEmbedConfig {
    /// Patch `[height, width]` in pixels.
    pub patch: [usize; 2],
    /// Channels of the images; 3 for the JPEG layouts.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Planes and blocks.
    #[config(default = "DctLayout::PerChannel")]
    pub layout: DctLayout,
    /// Coefficients kept of each block. The default is half of them: fewer inputs are the point of it.
    #[config(default = "Frequencies::Half")]
    pub frequencies: Frequencies,
    /// Whether each coefficient is normalised. Mean 0 and deviation 1 until
    /// [`with_statistics`](DctPatchEmbed::with_statistics) or a record gives others.
    #[config(default = false)]
    pub normalise: bool,
    /// Whether the projection has a bias.
    #[config(default = true)]
    pub bias: bool,
}

/// Patches as coefficients of an orthonormal cosine transform, low frequencies first, then a projection.
///
/// Park and Johnson, [RGB no more](https://arxiv.org/abs/2211.16421), section 4 (`PatchEmbedding_DCT_Group` in
/// `models/plainvit.py` of `JeongsooP/RGB-no-more`), for the JPEG layouts; the zig-zag order is JPEG's (ITU-T T.81,
/// figure 5), continued to rectangles.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, (height/patch height)·(width/patch width), dim]`, row-major
/// - `proj.weight` `[features, dim]`, with `channels·frequencies` features, channel after channel; in the JPEG
///   layouts the luma blocks, row by row, then Cb, then Cr: 384 features for a whole patch of 16×16
///
/// # Equation
///
/// `e = Wᵀ·((T·p − μ)/σ) + b`, with `T` the first rows of `D_h ⊗ D_w` in zig-zag order and
/// `D[k, i] = √(2/n)·cos(π(i + ½)k/n)`, row 0 divided by `√2`.
///
/// All of it is affine, so that it runs as one projection of the pixels, and [`fold`](Self::fold) gives the
/// [`LinearPatchEmbed`] that it is. Without truncation that is any linear embedding, with rotated weights;
/// truncation and normalisation are what make it another model.
///
/// # Departures
///
/// The reference reads quantised coefficients from the file; these are computed from pixels, colour conversion
/// (JFIF, without the offset of 128, which only shifts the constant coefficient) and averaging of chroma included.
/// Its coefficients lie in rows, not in zig-zag order, and it never drops any.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{DctPatchEmbedConfig, DctPreset, Frequencies, PatchEmbed};
///
/// let device = Device::flex();
/// let config = DctPatchEmbedConfig::new([8, 8], 3, 32).with_frequencies(Frequencies::First(10));
/// let embed = config.init(&device);
/// assert_eq!(embed.proj.weight.dims(), [30, 32]);
/// assert_eq!(embed.forward(Tensor::zeros([1, 3, 16, 24], &device)).tokens(), 6);
///
/// let jpeg = DctPatchEmbedConfig::preset(DctPreset::RgbNoMoreTiny).init(&device);
/// assert_eq!(jpeg.proj.weight.dims(), [256 + 128, 192]);
/// assert!(config.with_frequencies(Frequencies::First(65)).try_init(&device).is_err());
/// ```
#[derive(Module, Debug)]
pub struct DctPatchEmbed {
    /// The projection of the coefficients.
    pub proj: Linear,
    /// What the coefficients are normalised by.
    pub statistics: Option<FeatureStatistics>,
    /// Fixed, so not saved.
    basis: Tensor<2>,
    patch: [usize; 2],
    channels: usize,
}

impl DctPatchEmbedConfig {
    /// Half the coefficients of each channel, one token per `stride` pixels.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(stride, channels, dim)
    }

    /// A published embedding.
    pub fn preset(preset: DctPreset) -> Self {
        let (patch, dim) = preset.geometry();
        Self::new([patch; 2], 3, dim)
            .with_layout(DctLayout::JpegMerged)
            .with_frequencies(Frequencies::All)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, channel count or dim, [`Error::Range`] for no frequencies or more than the
    /// smallest block has, [`Error::Channels`] and [`Error::Indivisible`] for a JPEG layout of other than three
    /// channels or of a patch that its blocks do not fill.
    pub fn try_init(&self, device: &Device) -> Result<DctPatchEmbed, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        let basis = self.basis()?.to_tensor(device);
        let [kept, values] = basis.dims();
        let inputs = self.channels * self.patch[0] * self.patch[1] / values * kept;
        let statistics = self
            .normalise
            .then(|| FeatureStatistics::identity(inputs, device));
        Ok(DctPatchEmbed {
            proj: projection(inputs, self.dim, self.bias, device),
            statistics,
            basis,
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
    pub fn init(&self, device: &Device) -> DctPatchEmbed {
        self.try_init(device).or_panic()
    }

    fn basis(&self) -> Result<Matrix, Error> {
        let keep = |block| self.frequencies.of_block(block);
        if self.layout == DctLayout::PerChannel {
            check_frequencies(keep(self.patch), &[self.patch])?;
            return Ok(block_basis(self.patch, keep(self.patch)));
        }
        check_channels(3, self.channels)?;
        let merged = self.layout == DctLayout::JpegMerged;
        let blocks = jpeg_blocks(self.patch, merged)?;
        if let Frequencies::First(count) = self.frequencies {
            check_frequencies(count, &blocks)?;
        }
        Ok(jpeg_basis(self.patch, blocks, keep))
    }
}

impl DctPatchEmbed {
    /// The coefficients that the projection sees, normalised where it has statistics, as tokens of their own.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward).
    #[track_caller]
    pub fn features(&self, images: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let features = features(images, &self.basis, &grid);
        let features = match &self.statistics {
            Some(statistics) => statistics.normalise(features),
            None => features,
        };
        Tokens::from_grid(features, grid)
    }

    /// Normalises each coefficient by this mean and standard deviation.
    ///
    /// A record of this module loads into one whose configuration has `normalise`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless there is one of each per feature, [`Error::Range`] for deviations that are not
    /// positive.
    pub fn with_statistics(mut self, mean: &[f32], std: &[f32]) -> Result<Self, Error> {
        let [features, _] = self.proj.weight.dims();
        let device = self.basis.device();
        self.statistics = Some(FeatureStatistics::from_slices(
            mean, std, features, &device,
        )?);
        Ok(self)
    }

    /// Normalises each coefficient by its mean and deviation over these images.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward).
    #[must_use]
    #[track_caller]
    pub fn with_statistics_of(mut self, images: Tensor<4>) -> Self {
        self.statistics = None;
        let features = self.features(images).into_embeddings();
        self.statistics = Some(FeatureStatistics::of(features));
        self
    }

    /// The linear patch embedding that gives the same tokens: transform, normalisation and projection in one.
    pub fn fold(&self) -> LinearPatchEmbed {
        self.folded().into_embed()
    }

    fn folded(&self) -> Folded {
        fold(
            &self.proj,
            self.statistics.as_ref(),
            &self.basis,
            self.patch,
        )
    }
}

impl PatchEmbed for DctPatchEmbed {
    fn channels(&self) -> usize {
        self.channels
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        Window::patch(self.patch, Remainder::Reject).layout(size)
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let embeddings = self.folded().project(images, cells.clone(), &grid);
        on_grid(embeddings, grid, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData, Tolerance};
    use rstest::rstest;

    fn assert_close<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
        left.into_data()
            .assert_approx_eq(&right.into_data(), tolerance);
    }

    fn random(shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::random(shape, Distribution::Default, device)
    }

    /// A linear embedding of the pixels with `W` is one of the coefficients with `W′ = W·Dᵀ`.
    #[test]
    fn without_truncation_it_is_any_linear_embedding_with_rotated_weights() {
        let device = Device::flex();
        let linear = crate::embed::LinearPatchEmbedConfig::new([4, 6], 2, 5).init(&device);
        let mut embed = DctPatchEmbedConfig::new([4, 6], 2, 5)
            .with_frequencies(Frequencies::All)
            .init(&device);
        let rows = linear.proj.weight.val().reshape([5 * 2, 24]);
        let rotated = rows.matmul(embed.basis.clone().transpose());
        let rotated = rotated.reshape([5, 2 * 24]).transpose();
        embed.proj.weight = burn::module::Param::from_tensor(rotated);
        embed.proj.bias = linear.proj.bias.clone();
        let images = random([2, 2, 8, 12], &device);
        let want = linear.forward(images.clone()).into_embeddings();
        assert_close(
            embed.forward(images.clone()).into_embeddings(),
            want.clone(),
        );
        assert_close(embed.fold().forward(images).into_embeddings(), want);
    }

    #[rstest]
    #[case::per_channel(DctLayout::PerChannel, Frequencies::First(10))]
    #[case::jpeg(DctLayout::Jpeg, Frequencies::Half)]
    #[case::merged(DctLayout::JpegMerged, Frequencies::All)]
    fn projecting_the_normalised_features_gives_the_tokens(
        #[case] layout: DctLayout,
        #[case] frequencies: Frequencies,
    ) {
        let device = Device::flex();
        // About zero: the mean of the constant coefficient would be 27 deviations, whose rounding is all that one sees.
        let centred = |batch| random([batch, 3, 32, 16], &device) * 2.0 - 1.0;
        let images = centred(2);
        let embed = DctPatchEmbedConfig::new([16, 16], 3, 7)
            .with_layout(layout)
            .with_frequencies(frequencies)
            .init(&device)
            .with_statistics_of(centred(16));
        let features = embed.features(images.clone()).into_embeddings();
        let want = embed.proj.forward(features);
        assert_close(
            embed.forward(images.clone()).into_embeddings(),
            want.clone(),
        );
        assert_close(embed.fold().forward(images).into_embeddings(), want);
    }

    #[test]
    fn statistics_of_images_centre_and_scale_them() {
        let device = Device::flex();
        let images = random([3, 1, 16, 16], &device);
        let embed = DctPatchEmbedConfig::new([4, 4], 1, 2).init(&device);
        let features = embed.with_statistics_of(images.clone()).features(images);
        let rows = features.into_embeddings().reshape([48, 8]);
        let mean = rows.clone().mean_dim(0);
        let square = (rows.clone() * rows).mean_dim(0);
        assert_close(mean, Tensor::zeros([1, 8], &device));
        assert_close(square, Tensor::ones([1, 8], &device));
    }

    #[test]
    fn a_constant_image_has_constant_coefficients_only_and_unscaled_ones_stay_finite() {
        let device = Device::flex();
        let images = Tensor::full([1, 1, 8, 8], 0.5, &device);
        let embed = DctPatchEmbedConfig::new([4, 8], 1, 2)
            .with_frequencies(Frequencies::First(3))
            .init(&device);
        let want = [[[0.5 * 32f32.sqrt(), 0.0, 0.0]; 2]];
        let features = embed.features(images.clone()).into_embeddings();
        assert_close(features, Tensor::from_floats(want, &device));
        let normalised = embed.with_statistics_of(images.clone()).features(images);
        assert_close(
            normalised.into_embeddings(),
            Tensor::zeros([1, 2, 3], &device),
        );
    }

    #[test]
    fn a_cosine_lights_its_own_coefficient() {
        let device = Device::flex();
        let values: Vec<f32> = (0..64)
            .map(|i| {
                let wave = |place: usize, k: f64| {
                    (core::f64::consts::PI * (place as f64 + 0.5) * k / 8.0).cos()
                };
                (wave(i / 8, 1.0) * wave(i % 8, 2.0)) as f32
            })
            .collect();
        let image = Tensor::from_data(TensorData::new(values, [1, 1, 8, 8]), &device);
        let embed = DctPatchEmbedConfig::new([8, 8], 1, 2).init(&device);
        let features = embed.features(image).into_embeddings();
        // [1, 2] is the eighth of the zig-zag: 00 01 10 20 11 02 03 12.
        let mut want = vec![0.0f32; 32];
        want[7] = 4.0;
        assert_close(
            features,
            Tensor::from_data(TensorData::new(want, [1, 1, 32]), &device),
        );
    }

    #[rstest]
    #[case::none(DctPatchEmbedConfig::new([4, 4], 3, 8).with_frequencies(Frequencies::First(0)))]
    #[case::many(DctPatchEmbedConfig::new([4, 4], 3, 8).with_frequencies(Frequencies::First(17)))]
    #[case::more_than_chroma_has(
        DctPatchEmbedConfig::new([8, 8], 3, 8)
            .with_layout(DctLayout::Jpeg)
            .with_frequencies(Frequencies::First(17))
    )]
    fn frequencies_beyond_the_block_are_an_error(#[case] config: DctPatchEmbedConfig) {
        let error = config.try_init(&Device::flex()).unwrap_err();
        assert!(matches!(error, Error::Range { .. }));
        assert!(format!("{error}").contains("1 to 16"));
    }

    #[test]
    fn statistics_and_layouts_that_do_not_fit_are_errors() {
        let device = Device::flex();
        let embed = || DctPatchEmbedConfig::new([2, 2], 1, 8).init(&device);
        assert!(embed().with_statistics(&[0.0; 2], &[1.0; 2]).is_ok());
        let short = embed().with_statistics(&[0.0; 2], &[1.0]);
        assert!(matches!(short, Err(Error::Shape { .. })));
        let zero = embed().with_statistics(&[0.0; 2], &[1.0, 0.0]);
        assert!(matches!(zero, Err(Error::Range { .. })));
        let grey = DctPatchEmbedConfig::new([16, 16], 1, 8).with_layout(DctLayout::Jpeg);
        assert_eq!(
            grey.try_init(&device).unwrap_err(),
            Error::Channels {
                expected: 3,
                got: 1
            }
        );
    }

    #[test]
    fn a_record_keeps_the_statistics() {
        let device = Device::flex();
        let config = DctPatchEmbedConfig::new([4, 4], 1, 2).with_normalise(true);
        let images = random([1, 1, 8, 8], &device);
        let embed = config.init(&device).with_statistics_of(images.clone());
        let loaded = config
            .init(&device)
            .load_record(embed.clone().into_record());
        assert_close(
            loaded.forward(images.clone()).into_embeddings(),
            embed.forward(images).into_embeddings(),
        );
    }
}
