//! Tokens-to-Token embedding.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::parts::halvings::halvings;
use crate::embed::parts::projection::to_map;
use crate::embed::patch_embed::{PatchEmbed, expect_layout};
use crate::embed::t2t::block::{T2tBlock, T2tBlockKind};
use crate::grid::{PatchGrid, Window, nonzero};
use crate::layers::linear::{NORMAL, apply, linear};
use crate::ops::{gather_rows, patch_windows};
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Published Tokens-to-Token ViTs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum T2tPreset {
    /// T2T-ViT-7, 10 and 12: performer, 256.
    Vit7,
    /// T2T-ViT-14: performer, 384.
    Vit14,
    /// T2T-ViT-19: performer, 448.
    Vit19,
    /// T2T-ViT-24: performer, 512.
    Vit24,
    /// T2T-ViTt-14: transformer, 384.
    VitT14,
    /// T2T-ViTt-19: transformer, 448.
    VitT19,
    /// T2T-ViTt-24: transformer, 512.
    VitT24,
}

impl T2tPreset {
    const fn table(self) -> (T2tBlockKind, usize) {
        match self {
            Self::Vit7 => (T2tBlockKind::Performer, 256),
            Self::Vit14 => (T2tBlockKind::Performer, 384),
            Self::Vit19 => (T2tBlockKind::Performer, 448),
            Self::Vit24 => (T2tBlockKind::Performer, 512),
            Self::VitT14 => (T2tBlockKind::Transformer, 384),
            Self::VitT19 => (T2tBlockKind::Transformer, 448),
            Self::VitT24 => (T2tBlockKind::Transformer, 512),
        }
    }
}

/// Overlapping windows that become tokens without a projection: a soft split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftSplit {
    /// Window `[height, width]`, in pixels or cells.
    pub kernel: [usize; 2],
    /// Step `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Zeros on both sides, `[vertical, horizontal]`. None: as many as give `⌈size/stride⌉` per axis
    /// ([`Window::ceil`]).
    pub padding: Option<[usize; 2]>,
}

impl SoftSplit {
    /// Every published model's: 7×7 at stride 4, then twice 3×3 at stride 2.
    pub const PUBLISHED: [Self; 3] = [
        Self::square(7, 4, 2),
        Self::square(3, 2, 1),
        Self::square(3, 2, 1),
    ];

    const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: Some([padding; 2]),
        }
    }

    fn window(&self) -> Result<Window, Error> {
        nonzero("kernel", &self.kernel)?;
        nonzero("stride", &self.stride)?;
        match self.padding {
            Some(padding) => Ok(Window::symmetric(self.kernel, self.stride, padding)),
            None => Window::ceil(self.kernel, self.stride),
        }
    }
}

/// Configuration of [`T2tPatchEmbed`].
#[derive(Config, Debug)]
pub struct T2tPatchEmbedConfig {
    /// The splits, first over the image.
    pub splits: Vec<SoftSplit>,
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Width of the tokens between splits.
    #[config(default = 64)]
    pub token_dim: usize,
    /// What runs between splits.
    #[config(default = "T2tBlockKind::Transformer")]
    pub block: T2tBlockKind,
}

/// Tokens-to-Token: overlapping windows become tokens, attend, become a map again, and are split once more.
///
/// Yuan et al., [Tokens-to-Token ViT](https://arxiv.org/abs/2101.11986), section 3.1; `T2T_module` in
/// `models/t2t_vit.py` of yitu-opensource/T2T-ViT.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, rows·cols, dim]`, row-major; the published splits take 224 to 56, 28 and 14 rows, windows of
///   147, 576 and 576 values
///
/// # Equation
///
/// `T₁ = B₁(unfold(I))`, `Tᵢ = Bᵢ(unfold(map(Tᵢ₋₁)))`, last `E = W·unfold(map(T)) + b`. `unfold` gives a window's
/// values in the order channel, row, column; `B` is a [`T2tBlock`] from a window's values to `token_dim`.
///
/// Weights `N(0, 0.02)`, biases 0, LayerNorm with epsilon 1e-5.
///
/// # Departures
///
/// Kept as in the reference: attention divides by the root of the *input's* width (147 and 576) and not of the
/// queries' 64; the skip around it is the values; the last split has no block. The reference takes square images
/// alone, since it makes the map again with the root of the token count; here any size is taken. Its
/// sine-cosine positions over the row-major index are left to [`position`](crate::position). Its checkpoints'
/// `attention1`, `attention2` are `attentions.0`, `attentions.1`. Its plain convolutions for comparison are left out.
/// For [`for_stride`](T2tPatchEmbedConfig::for_stride) of a stride that cannot be halved there is one split and
/// no attention.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{PatchEmbed, T2tPatchEmbedConfig, T2tPreset};
///
/// let device = Device::flex();
/// let embed = T2tPatchEmbedConfig::preset(T2tPreset::Vit7, 3).init(&device);
/// let rows: Vec<_> = embed.layouts([224, 160]).unwrap().iter().map(|grid| grid.rows).collect();
/// assert_eq!(rows, [56, 28, 14]);
/// let tokens = embed.forward(Tensor::zeros([1, 3, 32, 48], &device));
/// assert_eq!(tokens.embeddings().dims(), [1, 6, 256]);
/// ```
#[derive(Module, Debug)]
pub struct T2tPatchEmbed {
    /// What runs after each split but the last.
    pub attentions: Vec<T2tBlock>,
    /// The last split's values to embeddings.
    pub project: Linear,
    channels: usize,
    #[module(skip)]
    windows: Vec<Window>,
}

impl T2tPatchEmbedConfig {
    /// Splits whose strides make `stride`, windows of `2·stride − 1`: stride 16 is 4, 2 and 2 as published, with
    /// transformer blocks. Tokens between splits are 64 wide, or `dim` where that is less.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        let splits = halvings(stride).into_iter().map(|stride| SoftSplit {
            kernel: stride.map(|step| (2 * step).saturating_sub(1)),
            stride,
            padding: None,
        });
        Self::new(splits.collect(), channels, dim).with_token_dim(dim.min(64))
    }

    /// A published model's embedding.
    pub fn preset(preset: T2tPreset, channels: usize) -> Self {
        let (block, dim) = preset.table();
        Self::new(SoftSplit::PUBLISHED.to_vec(), channels, dim).with_block(block)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] without splits, and for a zero kernel, stride, channel count or width;
    /// [`Error::Overflow`] for windows with more values than can be counted.
    pub fn try_init(&self, device: &Device) -> Result<T2tPatchEmbed, Error> {
        nonzero("splits", &[self.splits.len()])?;
        nonzero(
            "channels, dim and token_dim",
            &[self.channels, self.dim, self.token_dim],
        )?;
        let windows = self.splits.iter().map(SoftSplit::window);
        let windows = windows.collect::<Result<Vec<_>, _>>()?;
        let mut input = self.channels;
        let mut values = Vec::with_capacity(windows.len());
        for window in &windows {
            let [kh, kw] = window.kernel;
            let count = input
                .checked_mul(kh)
                .and_then(|count| count.checked_mul(kw));
            values.push(count.ok_or_else(|| Error::Overflow {
                what: "channels × kernel",
                got: vec![input, kh, kw],
            })?);
            input = self.token_dim;
        }
        let (last, before) = values.split_last().expect("at least one split");
        let block = |input: &usize| self.block.init(*input, self.token_dim, device);
        Ok(T2tPatchEmbed {
            attentions: before.iter().map(block).collect(),
            project: linear([*last, self.dim], NORMAL, Some(Initializer::Zeros), device),
            channels: self.channels,
            windows,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> T2tPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl T2tPatchEmbed {
    /// The grid of every split for images of `size` (`[height, width]` in pixels), finest first.
    ///
    /// # Errors
    ///
    /// If a split does not fit.
    pub fn layouts(&self, size: [usize; 2]) -> Result<Vec<PatchGrid>, Error> {
        let (first, later) = self.windows.split_first().expect("at least one split");
        let mut grids = vec![first.layout(size)?];
        for (index, window) in later.iter().enumerate() {
            grids.push(grids[index].then(window)?);
        }
        Ok(grids)
    }

    /// The last split's windows, `[batch, rows·cols, values]`.
    fn windows(&self, images: Tensor<4>) -> Tensor<3> {
        let (last, before) = self.windows.split_last().expect("at least one split");
        let map = before
            .iter()
            .zip(&self.attentions)
            .fold(images, |map, (window, block)| {
                let ([batch, ..], grid) = (map.dims(), over(window, &map));
                let tokens = block.forward(patch_windows(map, &grid));
                to_map(tokens, [batch, block.dim(), grid.rows, grid.cols])
            });
        let grid = over(last, &map);
        patch_windows(map, &grid)
    }
}

/// The windows over a map whose size `layout` has checked.
fn over(window: &Window, map: &Tensor<4>) -> PatchGrid {
    let [_, _, rows, cols] = map.dims();
    window.layout([rows, cols]).or_panic()
}

impl PatchEmbed for T2tPatchEmbed {
    fn channels(&self) -> usize {
        self.channels
    }

    fn dim(&self) -> usize {
        self.project.weight.dims()[1]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        let (first, later) = self.windows.split_first().expect("at least one split");
        later
            .iter()
            .try_fold(first.layout(size)?, |grid, window| grid.then(window))
    }

    fn forward(&self, images: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, &images);
        Tokens::from_grid(apply(&self.project, self.windows(images)), grid)
    }

    fn forward_visible(&self, images: Tensor<4>, cells: Tensor<2, Int>) -> Tokens {
        let grid = expect_layout(self, &images);
        let windows = gather_rows(self.windows(images), cells.clone());
        Tokens::from_cells(apply(&self.project, windows), grid, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::overlap::OverlapPatchEmbedConfig;
    use crate::embed::parts::patch_norm::PatchNorm;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    #[rstest]
    #[case(T2tPreset::Vit7, 256)]
    #[case(T2tPreset::Vit14, 384)]
    #[case(T2tPreset::VitT19, 448)]
    #[case(T2tPreset::VitT24, 512)]
    fn presets_give_fourteen_rows_from_windows_of_the_published_sizes(
        #[case] preset: T2tPreset,
        #[case] dim: usize,
    ) {
        let embed = T2tPatchEmbedConfig::preset(preset, 3).init(&Device::flex());
        let grids = embed.layouts([224, 224]).unwrap();
        let rows: Vec<_> = grids.iter().map(|grid| grid.rows).collect();
        assert_eq!(rows, [56, 28, 14]);
        assert_eq!(*grids.last().unwrap(), embed.layout([224, 224]).unwrap());
        assert_eq!(embed.project.weight.dims(), [576, dim]);
        let inputs = embed.attentions.iter().map(|block| match block {
            T2tBlock::Transformer(block) => block.attn.qkv.weight.dims(),
            T2tBlock::Performer(block) => block.kqv.weight.dims(),
        });
        assert_eq!(inputs.collect::<Vec<_>>(), [[147, 192], [576, 192]]);
    }

    #[test]
    fn stride_sixteen_is_split_as_published() {
        let config = T2tPatchEmbedConfig::for_stride([16, 16], 3, 768);
        let shapes: Vec<_> = config
            .splits
            .iter()
            .map(|split| (split.kernel, split.stride))
            .collect();
        let published: Vec<_> = SoftSplit::PUBLISHED
            .iter()
            .map(|split| (split.kernel, split.stride))
            .collect();
        assert_eq!(shapes, published);
    }

    /// One split is an overlapping convolution: values in its order, the matrix its kernel.
    #[test]
    fn a_single_split_is_the_overlapping_embedding() {
        let device = Device::flex();
        let split = SoftSplit {
            kernel: [5, 3],
            stride: [3, 2],
            padding: None,
        };
        let embed = T2tPatchEmbedConfig::new(vec![split], 2, 6).init(&device);
        let mut conv = OverlapPatchEmbedConfig::new([5, 3], [3, 2], 2, 6)
            .with_norm(PatchNorm::None)
            .init(&device);
        let weight = embed.project.weight.val().transpose();
        conv.proj.weight = burn::module::Param::from_tensor(weight.reshape([6, 2, 5, 3]));
        let images = Tensor::<4>::random([2, 2, 8, 9], Distribution::Default, &device);
        let (one, two) = (embed.forward(images.clone()), conv.forward(images));
        assert_eq!(one.grid(), two.grid());
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        one.into_embeddings()
            .into_data()
            .assert_approx_eq(&two.into_embeddings().into_data(), tolerance);
    }

    /// Attention sees every window: a pixel far away changes a token, which no convolution so shallow lets it.
    #[test]
    fn every_token_sees_the_whole_image() {
        let device = Device::flex();
        let embed = T2tPatchEmbedConfig::for_stride([4, 4], 1, 8).init(&device);
        let images = Tensor::<4>::random([1, 1, 32, 16], Distribution::Default, &device);
        let corner = Tensor::full([1, 1, 2, 2], 9.0, &device);
        let changed = images
            .clone()
            .slice_assign([0..1, 0..1, 30..32, 14..16], corner);
        let first = |images| embed.forward(images).into_embeddings().slice_dim(1, ..1);
        let moved: f32 = (first(images) - first(changed)).abs().sum().into_scalar();
        assert!(moved > 0.0);
    }

    #[rstest]
    #[case(T2tPatchEmbedConfig::new(Vec::new(), 3, 8), "splits")]
    #[case(T2tPatchEmbedConfig::for_stride([4, 4], 3, 8).with_token_dim(0), "channels, dim and token_dim")]
    #[case(T2tPatchEmbedConfig::for_stride([0, 4], 3, 8), "kernel")]
    fn zeros_are_errors(#[case] config: T2tPatchEmbedConfig, #[case] zero: &str) {
        let error = config.try_init(&Device::flex()).unwrap_err();
        assert!(
            matches!(error, Error::Zero { what, .. } if what == zero),
            "{error}"
        );
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
        let embed = T2tPatchEmbedConfig::for_stride(stride, 1, dim).init(&Device::flex());
        let grid = embed.layout(size).unwrap();
        assert_eq!([grid.rows, grid.cols], want);
        assert_eq!(grid.window.stride, stride);
        assert_eq!(embed.dim(), dim);
    }
}
