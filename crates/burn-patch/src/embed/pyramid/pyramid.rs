//! Embeddings in several levels, each coarser and wider than the last.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::parts::halvings::halvings;
use crate::embed::patch_embed::{PatchEmbed, expect_layout, select};
use crate::embed::pyramid::downsample::{Downsample, DownsampleConfig, DownsampleKind};
use crate::grid::{PatchGrid, nonzero};
use crate::ops::Images;
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Published pyramids. The sizes of a family that differ in depth alone share a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PyramidPreset {
    /// Swin-T and Swin-S: 96, 192, 384, 768.
    SwinTiny,
    /// Swin-S, as wide as Swin-T.
    SwinSmall,
    /// Swin-B: 128, 256, 512, 1024.
    SwinBase,
    /// Swin v2-T, and v2-S.
    SwinV2Tiny,
    /// Swin v2-B.
    SwinV2Base,
    /// PVT-Tiny, and Small, Medium, Large: 64, 128, 320, 512.
    PvtTiny,
    /// PVTv2-B0: 32, 64, 160, 256.
    PvtV2B0,
    /// PVTv2-B1: 64, 128, 320, 512.
    PvtV2B1,
    /// PVTv2-B2, as wide as B1.
    PvtV2B2,
    /// PVTv2-B3, as wide as B1.
    PvtV2B3,
    /// PVTv2-B4, as wide as B1.
    PvtV2B4,
    /// PVTv2-B5, as wide as B1.
    PvtV2B5,
    /// ConvNeXt-T: 96, 192, 384, 768.
    ConvNextTiny,
    /// ConvNeXt-S, as wide as T.
    ConvNextSmall,
    /// ConvNeXt-B: 128, 256, 512, 1024.
    ConvNextBase,
    /// Four 3×3 convolutions of stride 2 with BatchNorm and GELU: 96, 192, 384, 768 at half, quarter, eighth
    /// and sixteenth resolution. Often called Swin's, which it is not.
    ConvPyramid,
}

impl PyramidPreset {
    /// First level, later levels, stride of the first level, widths.
    const fn table(self) -> (DownsampleKind, DownsampleKind, usize, [usize; 4]) {
        use DownsampleKind::{
            ConvBatchNorm, ConvNext, ConvNextStem, Overlap, Patches, SwinMerge, SwinV2Merge,
        };
        const TINY: [usize; 4] = [96, 192, 384, 768];
        const BASE: [usize; 4] = [128, 256, 512, 1024];
        const PVT: [usize; 4] = [64, 128, 320, 512];
        match self {
            Self::SwinTiny | Self::SwinSmall => (Patches, SwinMerge, 4, TINY),
            Self::SwinBase => (Patches, SwinMerge, 4, BASE),
            Self::SwinV2Tiny => (Patches, SwinV2Merge, 4, TINY),
            Self::SwinV2Base => (Patches, SwinV2Merge, 4, BASE),
            Self::PvtTiny => (Patches, Patches, 4, PVT),
            Self::PvtV2B0 => (Overlap, Overlap, 4, [32, 64, 160, 256]),
            Self::PvtV2B1 | Self::PvtV2B2 | Self::PvtV2B3 | Self::PvtV2B4 | Self::PvtV2B5 => {
                (Overlap, Overlap, 4, PVT)
            }
            Self::ConvNextTiny | Self::ConvNextSmall => (ConvNextStem, ConvNext, 4, TINY),
            Self::ConvNextBase => (ConvNextStem, ConvNext, 4, BASE),
            Self::ConvPyramid => (ConvBatchNorm, ConvBatchNorm, 2, TINY),
        }
    }
}

/// One level of a [`PyramidPatchEmbed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PyramidLevel {
    /// How it is reached from the image or the level before.
    pub kind: DownsampleKind,
    /// Step `[vertical, horizontal]`, in pixels or cells of the level before.
    pub stride: [usize; 2],
    /// Width of its tokens.
    pub dim: usize,
}

/// Configuration of [`PyramidPatchEmbed`].
#[derive(Config, Debug)]
pub struct PyramidPatchEmbedConfig {
    /// Channels of the images.
    pub channels: usize,
    /// The levels, finest first.
    pub levels: Vec<PyramidLevel>,
}

/// A first embedding and downsampling steps: tokens of every level, finest first.
///
/// Liu et al., [Swin Transformer](https://arxiv.org/abs/2103.14030), figure 3; Wang et al.,
/// [PVT](https://arxiv.org/abs/2102.12122), section 3, and [PVT v2](https://arxiv.org/abs/2106.13797); Liu et al.,
/// [ConvNeXt](https://arxiv.org/abs/2201.03545). Widths as in `timm/models/{swin_transformer, pvt_v2, convnext}.py`
/// of timm 1.0.31 and `classification/pvt.py` of whai362/PVT.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - level `i`: tokens `[batch, rowsᵢ·colsᵢ, dimᵢ]`, row-major, [`Tokens::to_feature_map`] gives the map;
///   Swin-T at 224: 56×56×96, 28×28×192, 14×14×384, 7×7×768
/// - [`PatchEmbed::forward`]: the last level
///
/// # Equation
///
/// `T₀ = D₀(I)`, `Tᵢ = Dᵢ(Bᵢ₋₁(Tᵢ₋₁))`, with `D` a [`Downsample`] and `B` what
/// [`forward_levels_with`](Self::forward_levels_with) is given, the identity elsewhere.
///
/// # Departures
///
/// The references put transformer or convolution blocks between the levels. There are none here; pass them to
/// `forward_levels_with`. Positions are not added; PVT's learned tables and its class token at the last level
/// belong to [`position`](crate::position). PVT v2 normalises once more after each level's blocks.
/// timm keeps the step to level `i` as `layers.{i}.downsample` (Swin) or `stages.{i}.downsample`; here it
/// is `levels.{i}`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{PyramidPatchEmbedConfig, PyramidPreset};
///
/// let device = Device::flex();
/// let embed = PyramidPatchEmbedConfig::preset(PyramidPreset::PvtV2B0, 3).init(&device);
/// let levels = embed.forward_levels(Tensor::<4>::zeros([1, 3, 64, 96], &device));
/// let shapes: Vec<_> = levels
///     .iter()
///     .map(|tokens| tokens.to_feature_map().unwrap().dims())
///     .collect();
/// assert_eq!(shapes, [[1, 32, 16, 24], [1, 64, 8, 12], [1, 160, 4, 6], [1, 256, 2, 3]]);
/// ```
#[derive(Module, Debug)]
pub struct PyramidPatchEmbed {
    /// The steps to each level, finest first.
    pub levels: Vec<Downsample>,
}

impl PyramidPatchEmbedConfig {
    /// Patches and Swin's merging with one token per `stride` pixels at the last level: each merging halves
    /// what can be halved and doubles the width, until the patches are 4 px or less. Stride 16 is three levels
    /// of Swin; along an axis that is odd by then, merging joins no neighbours.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        let steps = halvings(stride);
        let last = steps.len() - 1;
        let levels = steps
            .into_iter()
            .enumerate()
            .map(|(index, stride)| PyramidLevel {
                kind: match index {
                    0 => DownsampleKind::Patches,
                    _ => DownsampleKind::SwinMerge,
                },
                stride,
                dim: match dim {
                    0 => 0,
                    dim => (dim >> (last - index)).max(1),
                },
            });
        Self::new(channels, levels.collect())
    }

    /// A published pyramid.
    pub fn preset(preset: PyramidPreset, channels: usize) -> Self {
        let (first, later, stride, dims) = preset.table();
        let levels = dims.into_iter().enumerate().map(|(index, dim)| {
            let (kind, stride) = match index {
                0 => (first, stride),
                _ => (later, 2),
            };
            PyramidLevel {
                kind,
                stride: [stride; 2],
                dim,
            }
        });
        Self::new(channels, levels.collect())
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] without levels, and for a zero stride, channel count or width.
    pub fn try_init(&self, device: &Device) -> Result<PyramidPatchEmbed, Error> {
        nonzero("levels", &[self.levels.len()])?;
        let widths = self.levels.iter().map(|level| level.dim);
        let inputs = [self.channels].into_iter().chain(widths);
        let levels = self.levels.iter().zip(inputs).map(|(level, channels)| {
            DownsampleConfig::new(level.kind, level.stride, channels, level.dim).try_init(device)
        });
        Ok(PyramidPatchEmbed {
            levels: levels.collect::<Result<_, _>>()?,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> PyramidPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl PyramidPatchEmbed {
    /// The grid of every level for images of `size` (`[height, width]` in pixels), finest first.
    ///
    /// # Errors
    ///
    /// If a level does not fit; sizes in the error are pixels of the image.
    pub fn layouts(&self, size: [usize; 2]) -> Result<Vec<PatchGrid>, Error> {
        let (first, later) = self.split();
        let mut grids = vec![first.layout(size)?];
        for (index, step) in later.iter().enumerate() {
            grids.push(step.next_layout(&grids[index])?);
        }
        Ok(grids)
    }

    /// The tokens of every level, finest first.
    ///
    /// # Panics
    ///
    /// With the text of [`layouts`](Self::layouts)'s error, or if the channels differ.
    #[track_caller]
    pub fn forward_levels(&self, images: impl Into<Images>) -> Vec<Tokens> {
        self.forward_levels_with(images, |_, tokens| tokens)
    }

    /// The tokens of every level after `blocks(level, tokens)`, from which the next level goes on: how Swin, PVT
    /// and ConvNeXt run their stages.
    ///
    /// # Panics
    ///
    /// As [`forward_levels`](Self::forward_levels), and if `blocks` of any but the last level returns other than
    /// one real token per grid cell in row-major order, or another width.
    #[track_caller]
    pub fn forward_levels_with(
        &self,
        images: impl Into<Images>,
        mut blocks: impl FnMut(usize, Tokens) -> Tokens,
    ) -> Vec<Tokens> {
        let images = images.into();
        expect_layout(self, images.dims());
        let (first, later) = self.split();
        let mut levels = vec![blocks(0, first.forward_images(images, None))];
        for (index, step) in later.iter().enumerate() {
            let tokens = step.next_level(levels[index].clone());
            levels.push(blocks(index + 1, tokens));
        }
        levels
    }

    fn split(&self) -> (&Downsample, &[Downsample]) {
        self.levels.split_first().expect("try_init made a level")
    }
}

impl PatchEmbed for PyramidPatchEmbed {
    fn channels(&self) -> usize {
        self.split().0.channels()
    }

    fn dim(&self) -> usize {
        let (first, later) = self.split();
        later.last().unwrap_or(first).dim()
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        let (first, later) = self.split();
        later
            .iter()
            .try_fold(first.layout(size)?, |grid, step| step.next_layout(&grid))
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        expect_layout(self, images.dims());
        let (first, later) = self.split();
        let finest = first.forward_images(images, None);
        let last = later
            .iter()
            .fold(finest, |tokens, step| step.next_level(tokens));
        select(last, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    /// `[rows, cols, width]` of every level; the first three as timm's `features_only` gives them.
    #[rstest]
    #[case(PyramidPreset::SwinTiny, [[56, 56, 96], [28, 28, 192], [14, 14, 384], [7, 7, 768]])]
    #[case(PyramidPreset::PvtV2B0, [[56, 56, 32], [28, 28, 64], [14, 14, 160], [7, 7, 256]])]
    #[case(PyramidPreset::ConvNextTiny, [[56, 56, 96], [28, 28, 192], [14, 14, 384], [7, 7, 768]])]
    #[case(PyramidPreset::SwinV2Tiny, [[56, 56, 96], [28, 28, 192], [14, 14, 384], [7, 7, 768]])]
    #[case(PyramidPreset::SwinBase, [[56, 56, 128], [28, 28, 256], [14, 14, 512], [7, 7, 1024]])]
    #[case(PyramidPreset::PvtTiny, [[56, 56, 64], [28, 28, 128], [14, 14, 320], [7, 7, 512]])]
    #[case(PyramidPreset::PvtV2B5, [[56, 56, 64], [28, 28, 128], [14, 14, 320], [7, 7, 512]])]
    #[case(PyramidPreset::ConvPyramid, [[112, 112, 96], [56, 56, 192], [28, 28, 384], [14, 14, 768]])]
    fn presets_have_the_published_levels(
        #[case] preset: PyramidPreset,
        #[case] want: [[usize; 3]; 4],
    ) {
        let embed = PyramidPatchEmbedConfig::preset(preset, 3).init(&Device::flex());
        let grids = embed.layouts([224, 224]).unwrap();
        let got: Vec<[usize; 3]> = grids
            .iter()
            .zip(&embed.levels)
            .map(|(grid, level)| [grid.rows, grid.cols, level.dim()])
            .collect();
        assert_eq!(got, want);
        assert_eq!(embed.layout([224, 224]).unwrap(), grids[3]);
    }

    #[test]
    fn levels_are_laid_out_as_said_where_nothing_divides() {
        let device = Device::flex();
        let images = Tensor::<4>::random([1, 3, 36, 44], Distribution::Default, &device);
        let config = PyramidPatchEmbedConfig::for_stride([16, 16], 3, 32);
        let embed = config.init(&device);
        let levels = embed.forward_levels(images.clone());
        let grids = embed.layouts([36, 44]).unwrap();
        let sizes: Vec<_> = grids.iter().map(|grid| [grid.rows, grid.cols]).collect();
        assert_eq!(sizes, [[9, 11], [5, 6], [3, 3]]);
        for (tokens, grid) in levels.iter().zip(&grids) {
            assert_eq!(tokens.grid(), grid);
            assert_eq!(grid.window.layout([36, 44]).unwrap(), *grid);
        }
        let last = embed.forward(images).into_embeddings().into_data();
        let tolerance = Tolerance::<f32>::rel_abs(1e-6, 1e-6);
        let want = levels[2].embeddings().into_data();
        last.assert_approx_eq(&want, tolerance);
    }

    #[test]
    fn blocks_run_between_the_levels() {
        let device = Device::flex();
        let embed = PyramidPatchEmbedConfig::for_stride([4, 4], 1, 8).init(&device);
        let images = Tensor::<4>::random([1, 1, 8, 8], Distribution::Default, &device);
        let mut seen = Vec::new();
        embed.forward_levels_with(images.clone(), |level, tokens| {
            seen.push((level, tokens.dim()));
            tokens
        });
        assert_eq!(seen, [(0, 4), (1, 8)]);
        // Past blocks that erase the first level, nothing of the image reaches the second.
        let erased = |images| {
            let levels = embed.forward_levels_with(images, |level, tokens| match level {
                0 => tokens.map(|embeddings| embeddings * 0.0),
                _ => tokens,
            });
            levels[1].embeddings().into_data()
        };
        let whole = embed.forward(images.clone()).into_embeddings().into_data();
        let zero = erased(Tensor::zeros([1, 1, 8, 8], &device));
        assert_ne!(whole, zero);
        erased(images).assert_eq(&zero, true);
    }

    #[test]
    fn an_image_that_a_later_level_does_not_divide_is_named_in_pixels() {
        let embed =
            PyramidPatchEmbedConfig::preset(PyramidPreset::PvtTiny, 3).init(&Device::flex());
        let error = embed.layout([224, 216]).unwrap_err();
        let Error::Remainder { got, kernel, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((got, kernel), ([224, 216], [16, 16]));
    }

    #[test]
    fn no_levels_are_an_error() {
        let error = PyramidPatchEmbedConfig::new(3, Vec::new()).try_init(&Device::flex());
        assert!(matches!(error, Err(Error::Zero { what: "levels", .. })));
    }

    #[rstest]
    #[case([4, 2], 16, [8, 12], [2, 6])]
    #[case([4, 4], 64, [28, 28], [7, 7])]
    #[case([16, 16], 768, [224, 224], [14, 14])]
    #[case([14, 14], 32, [28, 42], [2, 3])]
    #[case([3, 5], 8, [9, 10], [3, 2])]
    #[case([1, 1], 1, [2, 3], [2, 3])]
    fn there_is_one_token_per_stride(
        #[case] stride: [usize; 2],
        #[case] dim: usize,
        #[case] size: [usize; 2],
        #[case] want: [usize; 2],
    ) {
        let embed = PyramidPatchEmbedConfig::for_stride(stride, 1, dim).init(&Device::flex());
        let grid = embed.layout(size).unwrap();
        assert_eq!([grid.rows, grid.cols], want);
        assert_eq!(grid.window.stride, stride);
        assert_eq!(embed.dim(), dim);
    }
}
