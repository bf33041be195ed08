//! Convolutional features as patch embedding.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::hybrid::any_backbone::{AnyBackbone, AnyBackboneConfig};
use crate::embed::hybrid::backbone::Backbone;
use crate::embed::hybrid::convnext_stem::ConvNextStemConfig;
use crate::embed::hybrid::resnet_v2::ResNetV2Config;
use crate::embed::hybrid::resnet_v2_block::StemPool;
use crate::embed::parts::projection::project;
use crate::embed::parts::steps::Steps;
use crate::embed::patch_embed::{PatchEmbed, expect_layout};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Published hybrids, and one with a ConvNeXt stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HybridPreset {
    /// R+ViT-Ti/16: the stem alone and patches of 8×8. Its stride is 32, whatever its name says: 49 tokens at
    /// 224×224.
    RTiS16P8,
    /// R26+ViT-S/32.
    R26SmallS32,
    /// R26+ViT-B/32.
    R26BaseS32,
    /// R50+ViT-B/16: three stages, the last of nine blocks.
    R50BaseS16,
    /// R50+ViT-L/32.
    R50LargeS32,
    /// ConvNeXt-T's stem and patches of 4×4 to ViT-B's width: stride 16. No paper has this one.
    ConvNextTinyBaseS16,
}

impl HybridPreset {
    /// Blocks per stage, or none for the ConvNeXt stem; patch; width.
    const fn row(self) -> (Option<&'static [usize]>, usize, usize) {
        match self {
            Self::RTiS16P8 => (Some(&[]), 8, 192),
            Self::R26SmallS32 => (Some(&[2, 2, 2, 2]), 1, 384),
            Self::R26BaseS32 => (Some(&[2, 2, 2, 2]), 1, 768),
            Self::R50BaseS16 => (Some(&[3, 4, 9]), 1, 768),
            Self::R50LargeS32 => (Some(&[3, 4, 6, 3]), 1, 1024),
            Self::ConvNextTinyBaseS16 => (None, 4, 768),
        }
    }
}

/// Configuration of [`HybridPatchEmbed`] over a provided backbone.
#[derive(Config, Debug)]
pub struct HybridPatchEmbedConfig {
    /// What the tokens are made of.
    pub backbone: AnyBackboneConfig,
    /// Width of the embeddings.
    pub dim: usize,
    /// Patch of features, `[rows, cols]`.
    #[config(default = "[1, 1]")]
    pub patch: [usize; 2],
    /// Whether the projection has a bias.
    #[config(default = true)]
    pub bias: bool,
    /// What to do with features that the patch does not divide. [`Remainder::Pad`] is timm's
    /// `dynamic_img_pad`.
    #[config(default = "Remainder::Reject")]
    pub remainder: Remainder,
}

/// Hybrid embedding: a convolutional network reads the image, and patches of its features become tokens.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929), section 3.1;
/// Steiner et al., [How to train your ViT?](https://arxiv.org/abs/2106.10270) (R+Ti, R26+S, R50+L);
/// `timm/layers/hybrid_embed.py` (`HybridEmbed`) of timm 1.0.31.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - features `[batch, features, rows', cols']`, as the backbone's [`layout`](Backbone::layout) says
/// - tokens `[batch, rows·cols, dim]`, row-major, `rows = rows'/patch rows`
///
/// # Equation
///
/// `E = Conv2d(CNN(I); P, P, 0) + b`, 1×1 by default: each feature vector is a token.
///
/// Any module that implements [`Backbone`] can be one; [`AnyHybridPatchEmbed`] has a choice of those here.
///
/// # Weights
///
/// timm's names, `backbone.*` and `proj`, with burn-store's `PyTorchToBurnAdapter` and
/// `skip_enum_variants(true)`. R+Ti, whose backbone is the stem alone, needs `backbone.` renamed to
/// `backbone.stem.`.
///
/// # Departures
///
/// timm learns the size of the features by running the backbone on zeros for one image size; here they are
/// computed, for any size. `proj=False` is not offered.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{HybridPatchEmbedConfig, HybridPreset, PatchEmbed};
///
/// let device = Device::flex();
/// let embed = HybridPatchEmbedConfig::preset(HybridPreset::RTiS16P8, 3).init(&device);
/// assert_eq!(embed.layout([224, 224])?.tokens(), 49);
/// let tokens = embed.forward(Tensor::zeros([1, 3, 64, 96], &device));
/// assert_eq!(tokens.embeddings().dims(), [1, 2 * 3, 192]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
///
/// A backbone of one's own:
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Error;
/// use burn_patch::embed::{Backbone, HybridPatchEmbed, PatchEmbed};
/// use burn_patch::grid::{PatchGrid, Remainder, Window};
///
/// /// Means of 2×2 pixels.
/// #[derive(Module, Debug)]
/// struct Half {
///     channels: usize,
/// }
///
/// impl Backbone for Half {
///     fn channels(&self) -> usize {
///         self.channels
///     }
///
///     fn dim(&self) -> usize {
///         self.channels
///     }
///
///     fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
///         Window::patch([2, 2], Remainder::Reject).layout(size)
///     }
///
///     fn forward(&self, images: Tensor<4>) -> Tensor<4> {
///         let [batch, channels, height, width] = images.dims();
///         let rows = images.reshape([batch, channels, height / 2, 2 * width]);
///         let pairs = rows.reshape([batch, channels, height / 2, 2, width / 2, 2]);
///         pairs.mean_dim(5).mean_dim(3).reshape([batch, channels, height / 2, width / 2])
///     }
/// }
///
/// let device = Device::flex();
/// let embed = HybridPatchEmbed::try_new(Half { channels: 3 }, [4, 4], 16, &device)?;
/// let tokens = embed.forward(Tensor::zeros([1, 3, 16, 24], &device));
/// assert_eq!(tokens.embeddings().dims(), [1, 6, 16]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Module, Debug)]
pub struct HybridPatchEmbed<B: Backbone> {
    /// Images to features.
    pub backbone: B,
    /// Patches of features to tokens, weight `[dim, features, rows, cols]`.
    pub proj: Conv2d,
    #[module(skip)]
    remainder: Remainder,
}

/// A hybrid over a backbone chosen at run time.
pub type AnyHybridPatchEmbed = HybridPatchEmbed<AnyBackbone>;

impl HybridPatchEmbedConfig {
    /// One token per `stride` pixels from R+Ti's stem of stride 4 where `stride` has that factor. Elsewhere
    /// the stem is without pooling, at stride 2 along even axes and 1 along odd ones; the patch takes the
    /// rest.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        let stem = ResNetV2Config::new([].into()).with_channels(channels);
        let fours = stride.iter().all(|step| step.is_multiple_of(4));
        let (stem, taken) = if fours {
            (stem, [4, 4])
        } else {
            let taken = stride.map(|step| if step.is_multiple_of(2) { 2 } else { 1 });
            (
                stem.with_pool(StemPool::None).with_stem_stride(taken),
                taken,
            )
        };
        Self::new(AnyBackboneConfig::ResNetV2(stem), dim)
            .with_patch([stride[0] / taken[0], stride[1] / taken[1]])
    }

    /// A published hybrid.
    pub fn preset(preset: HybridPreset, channels: usize) -> Self {
        let (layers, patch, dim) = preset.row();
        let backbone = match layers {
            Some(layers) => AnyBackboneConfig::ResNetV2(
                ResNetV2Config::new(layers.into()).with_channels(channels),
            ),
            None => AnyBackboneConfig::ConvNextStem(ConvNextStemConfig::new(channels, 96)),
        };
        Self::new(backbone, dim).with_patch([patch; 2])
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// Those of the backbone, and [`Error::Zero`] for a zero patch or dim.
    pub fn try_init(&self, device: &Device) -> Result<AnyHybridPatchEmbed, Error> {
        let backbone = self.backbone.try_init(device)?;
        let mut embed = HybridPatchEmbed::try_new(backbone, self.patch, self.dim, device)?;
        if !self.bias {
            embed.proj.bias = None;
        }
        Ok(embed.with_remainder(self.remainder))
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> AnyHybridPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl<B: Backbone> HybridPatchEmbed<B> {
    /// Tokens of `dim` from patches of `[rows, cols]` features of `backbone`, with a bias and
    /// [`Remainder::Reject`]. The projection starts as PyTorch's convolution, which timm keeps.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch or dim.
    pub fn try_new(
        backbone: B,
        patch: [usize; 2],
        dim: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        nonzero("patch of features", &patch)?;
        nonzero("features and dim", &[backbone.dim(), dim])?;
        let proj = Conv2dConfig::new([backbone.dim(), dim], patch)
            .with_stride(patch)
            .init(device);
        Ok(Self {
            backbone,
            proj,
            remainder: Remainder::Reject,
        })
    }

    /// Says what to do with features that the patch does not divide.
    #[must_use]
    pub fn with_remainder(mut self, remainder: Remainder) -> Self {
        self.remainder = remainder;
        self
    }

    fn window(&self) -> Window {
        Window::patch(self.proj.kernel_size, self.remainder)
    }

    fn embed(&self, images: Tensor<4>, cells: Option<Tensor<2, Int>>) -> Tensor<3> {
        let [batch, _, height, width] = images.dims();
        let expected = self.backbone.layout([height, width]).or_panic();
        let features = self.backbone.forward(images);
        assert_eq!(
            features.dims(),
            [batch, self.backbone.dim(), expected.rows, expected.cols],
            "features and the backbone's layout"
        );
        let grid = self
            .window()
            .layout([expected.rows, expected.cols])
            .or_panic();
        project(&self.proj, features, cells, &grid)
    }
}

impl<B: Backbone> PatchEmbed for HybridPatchEmbed<B> {
    fn channels(&self) -> usize {
        self.backbone.channels()
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        let features = self.backbone.layout(size)?;
        Steps::over(size)
            .then(&features.window)?
            .then(&self.window())?
            .grid()
    }

    fn forward(&self, images: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, &images);
        Tokens::from_grid(self.embed(images, None), grid)
    }

    /// Projects the features at `cells` alone; the backbone reads the whole image.
    fn forward_visible(&self, images: Tensor<4>, cells: Tensor<2, Int>) -> Tokens {
        let grid = expect_layout(self, &images);
        let embeddings = self.embed(images, Some(cells.clone()));
        Tokens::from_cells(embeddings, grid, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    /// Maps and tokens of timm's `vit_*` hybrids at 224×224.
    #[rstest]
    #[case(HybridPreset::RTiS16P8, [56, 64], [7, 192])]
    #[case(HybridPreset::R26SmallS32, [7, 2048], [7, 384])]
    #[case(HybridPreset::R26BaseS32, [7, 2048], [7, 768])]
    #[case(HybridPreset::R50BaseS16, [14, 1024], [14, 768])]
    #[case(HybridPreset::R50LargeS32, [7, 2048], [7, 1024])]
    #[case(HybridPreset::ConvNextTinyBaseS16, [56, 96], [14, 768])]
    fn presets_have_the_published_shapes(
        #[case] preset: HybridPreset,
        #[case] features: [usize; 2],
        #[case] tokens: [usize; 2],
    ) {
        let embed = HybridPatchEmbedConfig::preset(preset, 3).init(&Device::flex());
        let map = embed.backbone.layout([224, 224]).unwrap();
        assert_eq!([map.rows, embed.backbone.dim()], features);
        let grid = embed.layout([224, 224]).unwrap();
        assert_eq!([grid.rows, embed.dim()], tokens);
        assert_eq!(grid.window.stride, [224 / tokens[0]; 2]);
    }

    /// Every feature vector is a token.
    #[test]
    fn without_patches_a_token_is_a_projected_feature_vector() {
        let device = Device::flex();
        let backbone = AnyBackboneConfig::ConvNextStem(ConvNextStemConfig::new(3, 8));
        let embed = HybridPatchEmbedConfig::new(backbone, 5).init(&device);
        let images = Tensor::random([2, 3, 8, 12], Distribution::Default, &device);
        let features = embed.backbone.forward(images.clone());
        let vectors = features.reshape([2, 8, 6]).swap_dims(1, 2);
        let matrix = embed.proj.weight.val().reshape([1, 5, 8]).swap_dims(1, 2);
        let bias = embed.proj.bias.as_ref().unwrap().val().reshape([1, 1, 5]);
        let want = (vectors.matmul(matrix) + bias).into_data();
        let got = embed.forward(images).into_embeddings().into_data();
        got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[rstest]
    #[case([4, 4], [1, 1])]
    #[case([16, 8], [4, 2])]
    #[case([4, 2], [2, 1])]
    #[case([3, 6], [3, 3])]
    fn stem_and_patch_share_the_stride(#[case] stride: [usize; 2], #[case] patch: [usize; 2]) {
        let embed = HybridPatchEmbedConfig::for_stride(stride, 1, 8).init(&Device::flex());
        assert_eq!(embed.proj.kernel_size, patch);
        let grid = embed.layout([48, 48]).unwrap();
        assert_eq!(grid.window.stride, stride);
        assert_eq!([grid.rows, grid.cols], stride.map(|step| 48 / step));
    }

    #[test]
    fn features_that_the_patch_does_not_divide_are_refused_or_padded() {
        let config = HybridPatchEmbedConfig::preset(HybridPreset::RTiS16P8, 3);
        let device = Device::flex();
        let error = config.init(&device).layout([72, 64]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Remainder {
                    got: [72, 64],
                    left: [8, 0],
                    stride: [32, 32],
                    ..
                }
            ),
            "{error}"
        );
        let padded = config.with_remainder(Remainder::Pad).init(&device);
        let tokens = padded.forward(Tensor::zeros([1, 3, 72, 64], &device));
        assert_eq!([tokens.grid().rows, tokens.grid().cols], [3, 2]);
    }

    #[test]
    fn bad_configurations_name_got_and_expected() {
        let device = Device::flex();
        let still = HybridPatchEmbedConfig::for_stride([0, 4], 3, 8).try_init(&device);
        assert!(matches!(still, Err(Error::Zero { .. })));
        let flat = HybridPatchEmbedConfig::for_stride([4, 4], 3, 0).try_init(&device);
        assert!(matches!(flat, Err(Error::Zero { .. })));
        let empty = HybridPatchEmbedConfig::for_stride([4, 4], 3, 8).init(&device);
        assert!(matches!(empty.layout([0, 8]), Err(Error::Zero { .. })));
    }
}
