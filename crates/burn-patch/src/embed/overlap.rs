//! Overlapping convolutional patch embedding.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::parts::normalization::Normalization;
use crate::embed::parts::patch_norm::{PatchNorm, normed};
use crate::embed::parts::projection::project_filled;
use crate::embed::parts::remade::{for_channels, refuse};
use crate::embed::patch_embed::{PatchEmbed, expect_layout, on_grid};
use crate::grid::{PatchGrid, Window, nonzero};
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::{PYTORCH, apply, linear};
use crate::ops::Images;
use crate::or_panic::OrPanic;
use crate::resample::channels::ChannelMap;
use crate::{Error, Tokens};

/// Published overlapping embeddings: kernel, stride and padding of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverlapPreset {
    /// First stage of PVTv2 and SegFormer: 7×7, stride 4, padding 3.
    PvtV2Stem,
    /// Later stages of PVTv2 and SegFormer: 3×3, stride 2, padding 1.
    PvtV2Stage,
    /// First stage of CvT: 7×7, stride 4, padding 2.
    CvtStem,
    /// Later stages of CvT: 3×3, stride 2, padding 1.
    CvtStage,
}

impl OverlapPreset {
    /// Kernel, stride, padding.
    const fn geometry(self) -> (usize, usize, usize) {
        match self {
            Self::PvtV2Stem => (7, 4, 3),
            Self::PvtV2Stage | Self::CvtStage => (3, 2, 1),
            Self::CvtStem => (7, 4, 2),
        }
    }
}

/// Configuration of [`OverlapPatchEmbed`].
#[derive(Config, Debug)]
pub struct OverlapPatchEmbedConfig {
    /// Window `[height, width]` in pixels.
    pub kernel: [usize; 2],
    /// Step `[vertical, horizontal]` in pixels.
    pub stride: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Zeros on both sides, `[vertical, horizontal]`. None: as many as give `⌈size/stride⌉` tokens
    /// per axis ([`Window::ceil`]).
    pub padding: Option<[usize; 2]>,
    /// Whether a second, 1×1 projection follows. With nothing between, the two are one linear map.
    #[config(default = false)]
    pub pointwise: bool,
    /// Whether the projections have a bias.
    #[config(default = true)]
    pub bias: bool,
    /// Normalisation at the end. The default is the references' LayerNorm with PyTorch's epsilon.
    #[config(default = "PatchNorm::LAYER")]
    pub norm: PatchNorm,
}

/// Overlapping convolutional patch embedding: windows larger than their step.
///
/// Wang et al., [PVT v2](https://arxiv.org/abs/2106.13797), section 3.1 (`OverlapPatchEmbed` in
/// `classification/pvt_v2.py`); Xie et al., [SegFormer](https://arxiv.org/abs/2105.15203); Wu et al.,
/// [CvT](https://arxiv.org/abs/2103.15808) (`ConvEmbed`).
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, rows·cols, dim]`, row-major, `rows = ⌊(height + 2p − k)/s⌋ + 1`; with the
///   default padding `⌈height/s⌉`
///
/// # Equation
///
/// `E = LN(Conv2d(I; k, s, p))`, optionally `LN(W₁·Conv2d(I) + b₁)`.
///
/// Initialised as PVTv2 and SegFormer: weight `N(0, √(2/(kh·kw·dim)))`, bias 0; CvT's presets too.
///
/// # Departures
///
/// CvT returns a feature map; [`Tokens::to_feature_map`] gives it. Pixels that no window
/// reads at the right and bottom are dropped, as by every convolution.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{OverlapPatchEmbedConfig, OverlapPreset, PatchEmbed};
///
/// let device = Device::flex();
/// let embed = OverlapPatchEmbedConfig::preset(OverlapPreset::PvtV2Stem, 3, 32).init(&device);
/// let tokens = embed.forward(Tensor::zeros([1, 3, 33, 47], &device));
/// assert_eq!([tokens.grid().rows, tokens.grid().cols], [9, 12]);
/// ```
#[derive(Module, Debug)]
pub struct OverlapPatchEmbed {
    /// The projection, weight `[dim, channels, kh, kw]`.
    pub proj: Conv2d,
    /// The 1×1 projection after it.
    pub pointwise: Option<Linear>,
    /// Normalisation at the end.
    pub norm: Option<LayerNorm>,
    /// What padding holds after [`fold_normalization`](Self::fold_normalization), `[channels]`; zeros if absent.
    pub fill: Option<Param<Tensor<1>>>,
    #[module(skip)]
    window: Window,
}

impl OverlapPatchEmbedConfig {
    /// One token per `stride` pixels from windows of `2·stride − 1`, the references' proportion
    /// (7 at stride 4, 3 at stride 2).
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(
            stride.map(|step| (2 * step).saturating_sub(1)),
            stride,
            channels,
            dim,
        )
    }

    /// A published geometry.
    pub fn preset(preset: OverlapPreset, channels: usize, dim: usize) -> Self {
        let (kernel, stride, padding) = preset.geometry();
        Self::new([kernel; 2], [stride; 2], channels, dim).with_padding(Some([padding; 2]))
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero kernel, stride, channel count or dim.
    pub fn try_init(&self, device: &Device) -> Result<OverlapPatchEmbed, Error> {
        nonzero("stride", &self.stride)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        nonzero("kernel", &self.kernel)?;
        let window = match self.padding {
            Some(padding) => Window::symmetric(self.kernel, self.stride, padding),
            None => Window::ceil(self.kernel, self.stride)?,
        };
        let fan_out = self.kernel[0] * self.kernel[1] * self.dim;
        let mut proj = Conv2dConfig::new([self.channels, self.dim], self.kernel)
            .with_stride(self.stride)
            .with_bias(self.bias)
            .with_initializer(Initializer::Normal {
                mean: 0.0,
                std: (2.0 / fan_out as f64).sqrt(),
            })
            .init(device);
        proj.bias = self
            .bias
            .then(|| Initializer::Zeros.init([self.dim], device));
        Ok(OverlapPatchEmbed {
            proj,
            pointwise: self.pointwise.then(|| {
                let bias = self.bias.then_some(PYTORCH);
                linear([self.dim; 2], PYTORCH, bias, device)
            }),
            norm: self.norm.init(self.dim, device),
            fill: None,
            window,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> OverlapPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl OverlapPatchEmbed {
    /// The same embedding for pictures that are not normalised yet: mean and standard deviation move into weight
    /// and bias, and padding is filled with the mean, which a zero stood for.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_patch::embed::{OverlapPatchEmbedConfig, Normalization, PatchEmbed};
    /// use burn_patch::ops::{PixelOrder, byte_tensor};
    ///
    /// let device = Device::flex();
    /// let embed = OverlapPatchEmbedConfig::for_stride([4, 4], 3, 16).init(&device);
    /// let embed = embed.fold_normalization(&Normalization::imagenet().for_bytes()).unwrap();
    /// let photo = byte_tensor(vec![128; 8 * 12 * 3], [1, 8, 12, 3], &device);
    /// let tokens = embed.forward_bytes(photo, PixelOrder::ChannelsLast);
    /// assert_eq!(tokens.embeddings().dims(), [1, 6, 16]);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of channels, [`Error::Range`] for a standard deviation that is not
    /// positive.
    pub fn fold_normalization(self, normalization: &Normalization) -> Result<Self, Error> {
        let (proj, fill) = normalization.fold(self.proj)?;
        Ok(Self {
            proj,
            fill: Some(fill),
            ..self
        })
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }

    fn finish(&self, embeddings: Tensor<3>) -> Tensor<3> {
        let embeddings = match &self.pointwise {
            Some(pointwise) => apply(pointwise, embeddings),
            None => embeddings,
        };
        normed(&self.norm, embeddings)
    }
}

impl PatchEmbed for OverlapPatchEmbed {
    fn channels(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        self.window.layout(size)
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let fill = self.fill.as_ref();
        let embeddings = project_filled(&self.proj, fill, images, cells.clone(), &grid);
        on_grid(self.finish(embeddings), grid, cells)
    }

    fn with_channels(self, map: &ChannelMap) -> Result<Self, Error> {
        if self.fill.is_some() {
            return Err(refuse::<Self>("channels (folded with a normalisation)"));
        }
        let proj = for_channels(self.proj, map)?;
        Ok(Self { proj, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(OverlapPreset::PvtV2Stem, 56)]
    #[case(OverlapPreset::CvtStem, 56)]
    #[case(OverlapPreset::PvtV2Stage, 112)]
    #[case(OverlapPreset::CvtStage, 112)]
    fn presets_have_the_published_resolution(#[case] preset: OverlapPreset, #[case] rows: usize) {
        let embed = OverlapPatchEmbedConfig::preset(preset, 3, 8).init(&Device::flex());
        assert_eq!(embed.layout([224, 224]).unwrap().rows, rows);
    }

    #[test]
    fn default_padding_gives_ceil_of_size_over_stride() {
        let device = Device::flex();
        let embed = OverlapPatchEmbedConfig::new([6, 5], [4, 2], 1, 4).init(&device);
        let tokens = embed.forward(Tensor::ones([1, 1, 29, 7], &device));
        assert_eq!([tokens.grid().rows, tokens.grid().cols], [8, 4]);
    }

    #[test]
    fn pointwise_after_projection_is_one_linear_map() {
        let device = Device::flex();
        let mut embed = OverlapPatchEmbedConfig::new([3, 3], [2, 2], 2, 4)
            .with_pointwise(true)
            .with_norm(PatchNorm::None)
            .init(&device);
        let images = Tensor::random([1, 2, 6, 6], burn::tensor::Distribution::Default, &device);
        let two = embed.forward(images.clone()).into_embeddings();
        let pointwise = embed.pointwise.take().unwrap();
        let mixer = pointwise.weight.val();
        // W₁ᵀ·W, since Linear keeps [input, output].
        let merged = mixer
            .transpose()
            .matmul(embed.proj.weight.val().reshape([4, 18]));
        embed.proj.weight = burn::module::Param::from_tensor(merged.reshape([4, 2, 3, 3]));
        embed.proj.bias = pointwise.bias;
        let one = embed.forward(images).into_embeddings();
        let tolerance = burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        one.into_data()
            .assert_approx_eq(&two.into_data(), tolerance);
    }
}
