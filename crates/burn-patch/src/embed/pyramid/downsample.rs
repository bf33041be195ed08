//! One level of a pyramid: an image or a grid of tokens to a coarser grid.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::linear::{LinearPatchEmbed, LinearPatchEmbedConfig};
use crate::embed::overlap::{OverlapPatchEmbed, OverlapPatchEmbedConfig};
use crate::embed::parts::patch_norm::PatchNorm;
use crate::embed::parts::projection::{convolve, project, to_map, to_tokens};
use crate::embed::patch_embed::{PatchEmbed, expect_layout, on_grid, select};
use crate::embed::pyramid::merging::{MergeOrder, PatchMerging, PatchMergingConfig};
use crate::embed::pyramid::regular::regular;
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::batch_norm::{BatchNorm, BatchNormConfig};
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::NORMAL;
use crate::ops::{Images, gelu};
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// ConvNeXt's epsilon for layer normalisation.
const CONVNEXT_EPSILON: f64 = 1e-6;

/// The published ways to a coarser level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownsampleKind {
    /// Non-overlapping patches, then LayerNorm: Swin's first level and every level of PVT.
    Patches,
    /// [`PatchMerging`] of Swin.
    SwinMerge,
    /// [`PatchMerging`] of Swin v2.
    SwinV2Merge,
    /// Windows of `2·stride − 1`, then LayerNorm: every level of PVTv2.
    Overlap,
    /// Non-overlapping patches, then LayerNorm with epsilon 1e-6: ConvNeXt's stem.
    ConvNextStem,
    /// LayerNorm with epsilon 1e-6 of each cell, then non-overlapping patches: ConvNeXt's later levels.
    ConvNext,
    /// Windows of `2·stride − 1`, BatchNorm, GELU: the plain convolutional pyramid.
    ConvBatchNorm,
}

/// Configuration of [`Downsample`].
#[derive(Config, Debug)]
pub struct DownsampleConfig {
    /// How.
    pub kind: DownsampleKind,
    /// Step `[vertical, horizontal]`, in pixels or cells.
    pub stride: [usize; 2],
    /// Channels of the image, or width of the tokens.
    pub channels: usize,
    /// Width of the result.
    pub dim: usize,
}

/// One level of a pyramid, from an image ([`forward`](PatchEmbed::forward)) or from the tokens of the level
/// before ([`next_level`](Self::next_level)).
///
/// # Shapes
///
/// - image or map `[batch, channels, rows, cols]`, or tokens `[batch, rows·cols, channels]`
/// - tokens `[batch, ⌈rows/stride⌉·⌈cols/stride⌉, dim]`; `ConvNextStem` and `ConvNext` take `⌊ ⌋`,
///   `Patches` refuses a remainder
///
/// Sources, equations and initialisers: [`PatchMerging`]; [`LinearPatchEmbed`] and [`OverlapPatchEmbed`] with
/// LayerNorm; Liu et al., [ConvNeXt](https://arxiv.org/abs/2201.03545) (`downsample_layers` in
/// `models/convnext.py`).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{DownsampleConfig, DownsampleKind, PatchEmbed};
///
/// let device = Device::flex();
/// let stem = DownsampleConfig::new(DownsampleKind::ConvNextStem, [4, 4], 3, 8).init(&device);
/// let half = DownsampleConfig::new(DownsampleKind::ConvNext, [2, 2], 8, 16).init(&device);
/// let tokens = half.next_level(stem.forward(Tensor::zeros([1, 3, 32, 48], &device)));
/// assert_eq!(tokens.to_feature_map().unwrap().dims(), [1, 16, 4, 6]);
/// ```
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per level; a box would be no Module
pub enum Downsample {
    /// Patches, then LayerNorm.
    Patches(LinearPatchEmbed),
    /// Swin's merging.
    Merge(PatchMerging),
    /// Overlapping windows, then LayerNorm.
    Overlap(OverlapPatchEmbed),
    /// LayerNorm, then patches.
    ConvNext(ConvNextDownsample),
    /// Overlapping windows, BatchNorm, GELU.
    ConvBatchNorm(ConvBatchNorm),
}

/// ConvNeXt's step between levels: LayerNorm of each cell, then a convolution whose kernel is its stride.
///
/// The convolution's weights are `N(0, 0.02)`, its bias 0.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::{Downsample, DownsampleConfig, DownsampleKind};
///
/// let config = DownsampleConfig::new(DownsampleKind::ConvNext, [2, 2], 8, 16);
/// let Downsample::ConvNext(step) = config.init(&Device::flex()) else { unreachable!() };
/// assert_eq!(step.proj.weight.dims(), [16, 8, 2, 2]);
/// ```
#[derive(Module, Debug)]
pub struct ConvNextDownsample {
    /// Normalisation, `downsample.0` in a checkpoint of timm.
    pub norm: LayerNorm,
    /// The convolution, `downsample.1`.
    pub proj: Conv2d,
}

/// A convolution, BatchNorm and GELU. The convolution has a bias, which the norm takes away while it trains.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::{Downsample, DownsampleConfig, DownsampleKind};
///
/// let config = DownsampleConfig::new(DownsampleKind::ConvBatchNorm, [2, 2], 8, 16);
/// let Downsample::ConvBatchNorm(step) = config.init(&Device::flex()) else { unreachable!() };
/// assert_eq!(step.conv.weight.dims(), [16, 8, 3, 3]);
/// ```
#[derive(Module, Debug)]
pub struct ConvBatchNorm {
    /// The convolution.
    pub conv: Conv2d,
    /// Its normalisation.
    pub norm: BatchNorm,
    #[module(skip)]
    window: Window,
}

impl DownsampleConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero stride or width.
    pub fn try_init(&self, device: &Device) -> Result<Downsample, Error> {
        let (stride, channels, dim) = (self.stride, self.channels, self.dim);
        nonzero("stride", &stride)?;
        nonzero("channels and dim", &[channels, dim])?;
        let merge = |order| {
            let config = PatchMergingConfig::new(channels).with_out_dim(Some(dim));
            let config = config.with_window(stride).with_order(order);
            config.try_init(device).map(Downsample::Merge)
        };
        let patches = LinearPatchEmbedConfig::new(stride, channels, dim);
        match self.kind {
            DownsampleKind::SwinMerge => merge(MergeOrder::NormFirst),
            DownsampleKind::SwinV2Merge => merge(MergeOrder::ReduceFirst),
            DownsampleKind::Patches => patches
                .with_norm(PatchNorm::LAYER)
                .try_init(device)
                .map(Downsample::Patches),
            DownsampleKind::ConvNextStem => {
                let epsilon = CONVNEXT_EPSILON;
                let mut embed = patches
                    .with_norm(PatchNorm::Layer { epsilon })
                    .with_remainder(Remainder::Floor)
                    .try_init(device)?;
                embed.proj = convnext_conv(stride, channels, dim, device);
                Ok(Downsample::Patches(embed))
            }
            DownsampleKind::ConvNext => Ok(Downsample::ConvNext(ConvNextDownsample {
                norm: LayerNormConfig::new(channels)
                    .with_epsilon(CONVNEXT_EPSILON)
                    .init(device),
                proj: convnext_conv(stride, channels, dim, device),
            })),
            DownsampleKind::Overlap => OverlapPatchEmbedConfig::for_stride(stride, channels, dim)
                .try_init(device)
                .map(Downsample::Overlap),
            DownsampleKind::ConvBatchNorm => {
                let window = Window::ceil(stride.map(|step| 2 * step - 1), stride)?;
                Ok(Downsample::ConvBatchNorm(ConvBatchNorm {
                    conv: Conv2dConfig::new([channels, dim], window.kernel)
                        .with_stride(stride)
                        .with_initializer(patches.initializer)
                        .init(device),
                    norm: BatchNormConfig::new(dim).try_init(device)?,
                    window,
                }))
            }
        }
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> Downsample {
        self.try_init(device).or_panic()
    }
}

fn convnext_conv(stride: [usize; 2], channels: usize, dim: usize, device: &Device) -> Conv2d {
    let mut conv = Conv2dConfig::new([channels, dim], stride)
        .with_stride(stride)
        .with_initializer(NORMAL)
        .init(device);
    conv.bias = Some(Initializer::Zeros.init([dim], device));
    conv
}

impl Downsample {
    /// The grid that [`next_level`](Self::next_level) gives for tokens on `grid`.
    ///
    /// # Errors
    ///
    /// If this level does not fit `grid`.
    pub fn next_layout(&self, grid: &PatchGrid) -> Result<PatchGrid, Error> {
        grid.then(&self.window())
    }

    /// The tokens of the next level.
    ///
    /// # Panics
    ///
    /// With the text of [`next_layout`](Self::next_layout)'s error; if there is not one token per grid cell in
    /// row-major order, all of them real and without a prefix; or if their width differs.
    #[track_caller]
    pub fn next_level(&self, tokens: Tokens) -> Tokens {
        if let Self::Merge(merging) = self {
            return merging.merge(tokens);
        }
        let tokens = regular(tokens, self.channels());
        let grid = self.next_layout(tokens.grid()).or_panic();
        let [batch, _, dim] = tokens.embeddings().dims();
        let (rows, cols) = (tokens.grid().rows, tokens.grid().cols);
        let map = to_map(tokens.into_embeddings(), [batch, dim, rows, cols]);
        Tokens::from_grid(self.forward(map).into_embeddings(), grid)
    }

    fn window(&self) -> Window {
        match self {
            Self::Patches(embed) => embed.window(),
            Self::Merge(merging) => merging.cells(),
            Self::Overlap(embed) => embed.window(),
            Self::ConvNext(step) => Window::patch(step.proj.kernel_size, Remainder::Floor),
            Self::ConvBatchNorm(step) => step.window,
        }
    }
}

/// An image or a map `[batch, channels, rows, cols]` to tokens.
impl PatchEmbed for Downsample {
    fn channels(&self) -> usize {
        match self {
            Self::Patches(embed) => embed.channels(),
            Self::Merge(merging) => merging.channels(),
            Self::Overlap(embed) => embed.channels(),
            Self::ConvNext(step) => step.proj.weight.dims()[1],
            Self::ConvBatchNorm(step) => step.conv.weight.dims()[1],
        }
    }

    fn dim(&self) -> usize {
        match self {
            Self::Patches(embed) => embed.dim(),
            Self::Merge(merging) => merging.dim(),
            Self::Overlap(embed) => embed.dim(),
            Self::ConvNext(step) => step.proj.weight.dims()[0],
            Self::ConvBatchNorm(step) => step.conv.weight.dims()[0],
        }
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        self.window().layout(size)
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        match self {
            Self::Patches(embed) => embed.forward_images(images, cells),
            Self::Merge(merging) => merging.forward_images(images, cells),
            Self::Overlap(embed) => embed.forward_images(images, cells),
            Self::ConvNext(step) => {
                let shape = images.dims();
                let map = images.into_floats(step.proj.weight.val().dtype());
                let normed = step.norm.forward(to_tokens(map));
                let map = to_map(normed, shape);
                on_grid(project(&step.proj, map, cells.clone(), &grid), grid, cells)
            }
            Self::ConvBatchNorm(step) => {
                let map = convolve(&step.conv, images, &step.window);
                let embeddings = to_tokens(gelu(step.norm.forward(map)));
                select(Tokens::from_grid(embeddings, grid), cells)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn the_next_level_of_tokens_is_that_of_their_map() {
        let device = Device::flex();
        let map = Tensor::<4>::random([2, 6, 6, 4], Distribution::Default, &device);
        let grid = Window::patch([2, 4], Remainder::Reject)
            .layout([12, 16])
            .unwrap();
        for kind in [
            DownsampleKind::Patches,
            DownsampleKind::SwinMerge,
            DownsampleKind::SwinV2Merge,
            DownsampleKind::Overlap,
            DownsampleKind::ConvNextStem,
            DownsampleKind::ConvNext,
            DownsampleKind::ConvBatchNorm,
        ] {
            let step = DownsampleConfig::new(kind, [2, 2], 6, 8).init(&device);
            let tokens = step.next_level(Tokens::from_grid(to_tokens(map.clone()), grid));
            assert_eq!(*tokens.grid(), step.next_layout(&grid).unwrap());
            assert_eq!(tokens.grid().window.stride, [4, 8], "{kind:?}");
            let want = step.forward(map.clone()).into_embeddings().into_data();
            let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
            let got = tokens.into_embeddings().into_data();
            got.assert_approx_eq(&want, tolerance);
        }
    }

    #[test]
    #[should_panic(expected = "one real token per grid cell")]
    fn selected_tokens_have_no_next_level() {
        let device = Device::flex();
        let step = DownsampleConfig::new(DownsampleKind::SwinMerge, [2, 2], 4, 8).init(&device);
        let grid = Window::patch([2, 2], Remainder::Reject)
            .layout([4, 4])
            .unwrap();
        let tokens = Tokens::from_grid(Tensor::zeros([1, 4, 4], &device), grid);
        step.next_level(tokens.select(Tensor::from_ints([[0, 1]], &device)));
    }
}
