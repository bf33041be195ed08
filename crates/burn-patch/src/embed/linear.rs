//! Non-overlapping linear patch embedding.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Int, Tensor};

use crate::embed::parts::normalization::Normalization;
use crate::embed::parts::patch_norm::{PatchNorm, normed};
use crate::embed::parts::projection::project_filled;
use crate::embed::parts::remade::{for_channels, for_patch, refuse};
use crate::embed::patch_embed::{PatchEmbed, expect_layout, on_grid};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::PYTORCH;
use crate::ops::Images;
use crate::or_panic::OrPanic;
use crate::resample::channels::ChannelMap;
use crate::resample::filter::Filter;
use crate::{Error, Tokens};

/// Configuration of [`LinearPatchEmbed`].
#[derive(Config, Debug)]
pub struct LinearPatchEmbedConfig {
    /// Patch `[height, width]` in pixels.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Whether the projection has a bias. CLIP's has none.
    #[config(default = true)]
    pub bias: bool,
    /// Normalisation after the projection.
    #[config(default = "PatchNorm::None")]
    pub norm: PatchNorm,
    /// What to do with images that the patch does not divide.
    #[config(default = "Remainder::Reject")]
    pub remainder: Remainder,
    /// Initialiser of weight and bias. The default is PyTorch's for `Conv2d`, which timm keeps.
    #[config(default = "PYTORCH")]
    pub initializer: Initializer,
}

/// ViT's patch embedding: flatten each patch, multiply by one shared matrix.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929), eq. 1;
/// `timm/layers/patch_embed.py` (`PatchEmbed`) of timm 1.0.31.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, (height/patch height)·(width/patch width), dim]`, row-major
///
/// # Equation
///
/// `eᵢ = W·flatten(pᵢ) + b`, with `W` of shape `[dim, channels·patch height·patch width]`. It is
/// the convolution whose stride equals its kernel, so `proj` is one and takes a checkpoint's
/// `proj.weight [dim, channels, kh, kw]` as it is.
///
/// # Departures
///
/// timm checks the image against a fixed `img_size`; here any size that fits the patch is embedded,
/// and positions say which grid they take. timm without `dynamic_img_pad` drops indivisible
/// borders when `strict_img_size` is off; here a config asks for that by [`Remainder::Floor`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([8, 16], 1, 32).init(&device);
/// assert_eq!(embed.layout([32, 48]).unwrap().tokens(), 12);
/// let tokens = embed.forward(Tensor::zeros([2, 1, 32, 48], &device));
/// assert_eq!(tokens.embeddings().dims(), [2, 12, 32]);
/// assert!(embed.layout([30, 48]).is_err());
/// ```
#[derive(Module, Debug)]
pub struct LinearPatchEmbed {
    /// The projection, weight `[dim, channels, kh, kw]`.
    pub proj: Conv2d,
    /// Normalisation after it.
    pub norm: Option<LayerNorm>,
    /// What padding holds after [`fold_normalization`](Self::fold_normalization), `[channels]`; zeros if absent.
    pub fill: Option<Param<Tensor<1>>>,
    #[module(skip)]
    remainder: Remainder,
}

impl LinearPatchEmbedConfig {
    /// ViT's embedding with one token per `stride` pixels.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(stride, channels, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, channel count or dim.
    pub fn try_init(&self, device: &Device) -> Result<LinearPatchEmbed, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        let proj = Conv2dConfig::new([self.channels, self.dim], self.patch)
            .with_stride(self.patch)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        Ok(LinearPatchEmbed {
            proj,
            norm: self.norm.init(self.dim, device),
            fill: None,
            remainder: self.remainder,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> LinearPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl LinearPatchEmbed {
    /// The same embedding for pictures that are not normalised yet: mean and standard deviation move into weight
    /// and bias, and padding is filled with the mean, which a zero stood for.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_patch::embed::{LinearPatchEmbedConfig, Normalization, PatchEmbed};
    /// use burn_patch::ops::{PixelOrder, byte_tensor};
    ///
    /// let device = Device::flex();
    /// let embed = LinearPatchEmbedConfig::for_stride([4, 4], 3, 16).init(&device);
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
        Window::patch(self.proj.kernel_size, self.remainder)
    }

    fn finish(&self, embeddings: Tensor<3>) -> Tensor<3> {
        normed(&self.norm, embeddings)
    }
}

impl PatchEmbed for LinearPatchEmbed {
    fn channels(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        self.window().layout(size)
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let fill = self.fill.as_ref();
        let embeddings = project_filled(&self.proj, fill, images, cells.clone(), &grid);
        on_grid(self.finish(embeddings), grid, cells)
    }

    fn with_patch_size_by(self, patch: [usize; 2], filter: Filter) -> Result<Self, Error> {
        let proj = for_patch(self.proj, patch, filter)?;
        Ok(Self { proj, ..self })
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

    #[test]
    #[should_panic(expected = "expected images with 3 channels, got 1")]
    fn wrong_channels_name_got_and_expected() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
        embed.forward(Tensor::zeros([1, 1, 8, 8], &device));
    }

    #[test]
    #[should_panic(expected = "image of [9, 8] px")]
    fn forward_panics_with_the_text_of_layout() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
        embed.forward(Tensor::zeros([1, 3, 9, 8], &device));
    }

    #[test]
    fn zero_patch_is_an_error() {
        let config = LinearPatchEmbedConfig::new([0, 4], 3, 8);
        assert!(matches!(
            config.try_init(&Device::flex()),
            Err(Error::Zero { .. })
        ));
    }

    #[test]
    fn initial_weights_are_those_of_a_torch_convolution() {
        let embed = LinearPatchEmbedConfig::new([4, 4], 3, 64).init(&Device::flex());
        let bound = 1.0 / (48.0f32).sqrt();
        let largest: f32 = embed.proj.weight.val().abs().max().into_scalar();
        assert!(
            largest <= bound && largest > 0.95 * bound,
            "{largest} against ±{bound}"
        );
    }
}
