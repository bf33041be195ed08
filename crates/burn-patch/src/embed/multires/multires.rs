//! Several resolutions at once: the grid, a pyramid above it and crops, through one projection.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::embed::multires::crop::CropBox;
use crate::embed::parts::projection::project;
use crate::embed::parts::remade::{for_channels, for_patch};
use crate::embed::patch_embed::{PatchEmbed, check_channels, expect_layout, select};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::linear::NORMAL;
use crate::ops::Images;
use crate::or_panic::OrPanic;
use crate::resample::align::Align;
use crate::resample::channels::ChannelMap;
use crate::resample::filter::Filter;
use crate::resample::resize_matrix::ResizeMatrix;
use crate::tokens::PlaceKind;
use crate::{Error, Tokens};

/// Configuration of [`MultiresPatchEmbed`].
#[derive(Config, Debug)]
pub struct MultiresPatchEmbedConfig {
    /// Patch `[height, width]` in pixels, the same at every resolution.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Pyramid levels above the image: it halved once, twice, ...
    #[config(default = 1)]
    pub levels: usize,
    /// What crops are resized to, `[height, width]` in pixels; the patch divides it. None: 2×2 patches.
    pub crop: Option<[usize; 2]>,
    /// How many times crops may be magnified twofold and still have a scale embedding of their own.
    #[config(default = 2)]
    pub zoom: usize,
}

/// Multi-resolution tokens: the grid of the image, of its pyramid levels and of crops, embedded by one shared
/// projection and told apart by a learned embedding of their scale.
///
/// No paper defines it. Crops of several sizes for one network are those of multi-crop training (Caron et al.,
/// [SwAV](https://arxiv.org/abs/2006.09882)); resized copies of an image through one patch encoder, with a learned
/// embedding of the scale, are those of Ke et al., [MUSIQ](https://arxiv.org/abs/2108.05997).
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, N, dim]`: the image's row-major grid, then each level's, then each crop's,
///   [off the grid](crate::tokens::Places::Boxes): each carries its box in the image
///
/// # Equation
///
/// `E = W·flatten(p) + b + S(log₂ s)`, with `s` how many pixels of the image one pixel of the patch spans: 1 on
/// the grid, `2ˡ` on level `l`, and `√(h·w/(H·W))` in a crop of `h×w` resized to `H×W`. `S` has one row per
/// octave from `−zoom` to `levels`, is linear between them and constant beyond.
///
/// Level `l` is the image average-pooled by `2ˡ`, which must divide it, with zeros at the right and bottom where
/// the patch does not divide the level. A crop is resized bilinearly, without smoothing before, its border
/// pixels repeated.
///
/// Initialised as PyTorch's `Conv2d`, `S` at `N(0, 0.02)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{CropBox, MultiresPatchEmbedConfig, PatchEmbed};
///
/// let device = Device::flex();
/// let embed = MultiresPatchEmbedConfig::new([8, 8], 3, 32).init(&device);
/// let images = Tensor::zeros([2, 3, 32, 32], &device);
/// assert_eq!(embed.tokens([32, 32]).unwrap(), 16 + 4);
/// assert_eq!(embed.forward(images.clone()).embeddings().dims(), [2, 20, 32]);
///
/// let crop = CropBox { y: 4.0, x: 0.0, height: 20.0, width: 24.0 };
/// let tokens = embed.forward_with_crops(images.clone(), &[crop]).unwrap();
/// assert_eq!(tokens.embeddings().dims(), [2, 24, 32]);
/// let outside = CropBox { y: 20.0, ..crop };
/// assert!(embed.forward_with_crops(images, &[outside]).is_err());
/// ```
#[derive(Module, Debug)]
pub struct MultiresPatchEmbed {
    /// The projection of every resolution, weight `[dim, channels, kh, kw]`.
    pub proj: Conv2d,
    /// Embedding of each octave of scale, `[zoom + 1 + levels, dim]`.
    pub scale_embed: Param<Tensor<2>>,
    levels: usize,
    zoom: usize,
    crop: [usize; 2],
}

impl MultiresPatchEmbedConfig {
    /// One token per `stride` pixels on the grid, and one pyramid level.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(stride, channels, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, crop size, channel count or dim, [`Error::Remainder`] for a crop that the
    /// patch does not divide, [`Error::Range`] for more levels or zoom than a `usize` has bits.
    pub fn try_init(&self, device: &Device) -> Result<MultiresPatchEmbed, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        for (what, got) in [("pyramid levels", self.levels), ("zoom", self.zoom)] {
            if got >= usize::BITS as usize {
                return Err(Error::Range {
                    what,
                    expected: format!("less than {}", usize::BITS),
                    got: got as f64,
                });
            }
        }
        let crop = self
            .crop
            .unwrap_or(self.patch.map(|side| side.saturating_mul(2)));
        Window::patch(self.patch, Remainder::Reject).layout(crop)?;
        Ok(MultiresPatchEmbed {
            proj: Conv2dConfig::new([self.channels, self.dim], self.patch)
                .with_stride(self.patch)
                .init(device),
            scale_embed: NORMAL.init([self.zoom + 1 + self.levels, self.dim], device),
            levels: self.levels,
            zoom: self.zoom,
            crop,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> MultiresPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl PatchEmbed for MultiresPatchEmbed {
    fn channels(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        let grid = self.window(Remainder::Reject).layout(size)?;
        for level in 1..=self.levels {
            self.level_layout(size, level)?;
        }
        Ok(grid)
    }

    fn tokens(&self, size: [usize; 2]) -> Result<usize, Error> {
        let mut tokens = self.layout(size)?.tokens();
        for level in 1..=self.levels {
            tokens += self.level_layout(size, level)?.tokens();
        }
        Ok(tokens)
    }

    fn places(&self) -> PlaceKind {
        PlaceKind::Boxes
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let images = images.into_floats(self.proj.weight.val().dtype());
        select(self.gather(images, grid, &[]), cells)
    }

    fn with_patch_size_by(self, patch: [usize; 2], filter: Filter) -> Result<Self, Error> {
        // As many patches in a crop as before.
        let before = self.proj.kernel_size;
        let crop = [0, 1].map(|axis| self.crop[axis] / before[axis] * patch[axis]);
        let proj = for_patch(self.proj, patch, filter)?;
        Ok(Self { proj, crop, ..self })
    }

    fn with_channels(self, map: &ChannelMap) -> Result<Self, Error> {
        let proj = for_channels(self.proj, map)?;
        Ok(Self { proj, ..self })
    }
}

impl MultiresPatchEmbed {
    /// The tokens of [`forward`](PatchEmbed::forward), and after them those of `crops`, the same for every image.
    ///
    /// # Errors
    ///
    /// Those of [`layout`](PatchEmbed::layout), [`Error::Channels`], [`Error::Zero`] for no crops,
    /// [`Error::Range`] for an empty one, [`Error::OutsideImage`].
    pub fn forward_with_crops(
        &self,
        images: Tensor<4>,
        crops: &[CropBox],
    ) -> Result<Tokens, Error> {
        let [_, channels, height, width] = images.dims();
        check_channels(self.channels(), channels)?;
        let grid = self.layout([height, width])?;
        nonzero("crops", &[crops.len()])?;
        for crop in crops {
            crop.check(grid.size)?;
        }
        Ok(self.gather(images, grid, crops))
    }

    fn gather(&self, images: Tensor<4>, grid: PatchGrid, crops: &[CropBox]) -> Tokens {
        let mut parts = vec![self.embed(images.clone(), &grid, 1.0)];
        let mut boxes = boxes_px(&grid, [0.0; 2], [1.0; 2]);
        for level in 1..=self.levels {
            let factor = 1usize << level;
            let pooled = self.level_layout(grid.size, level).or_panic();
            let map = average_pool(images.clone(), factor);
            parts.push(self.embed(map, &pooled, factor as f32));
            boxes.extend(boxes_px(&pooled, [0.0; 2], [factor as f32; 2]));
        }
        let window = self.window(Remainder::Reject);
        let cropped = window.layout(self.crop).or_panic();
        for crop in crops {
            let steps = crop.steps(self.crop);
            let scale = (steps[0] * steps[1]).sqrt();
            parts.push(self.embed(crop.cut(images.clone(), self.crop), &cropped, scale));
            boxes.extend(boxes_px(&cropped, [crop.y, crop.x], steps));
        }
        let [batch, ..] = images.dims();
        let embeddings = Tensor::cat(parts, 1);
        let count = embeddings.dims()[1];
        let boxes = Tensor::<3>::from_data(TensorData::new(boxes, [1, count, 4]), &images.device());
        Tokens::off_grid(embeddings, grid, boxes.expand([batch, count, 4]))
    }

    /// Projects the patches of a resolution and adds the embedding of its scale.
    fn embed(&self, map: Tensor<4>, grid: &PatchGrid, scale: f32) -> Tensor<3> {
        let table = self.scale_embed.val();
        let [octaves, _] = table.dims();
        let last = (octaves - 1) as f64;
        let place = (f64::from(scale.log2()) + self.zoom as f64).clamp(0.0, last);
        let blend = ResizeMatrix::at(octaves, &[place], 1.0, Filter::Linear(Align::Edges));
        let blend = blend.or_panic().tensor(&table.device(), table.dtype());
        let scale = blend.matmul(table);
        project(&self.proj, map, None, grid) + scale.unsqueeze_dim(0)
    }

    fn window(&self, remainder: Remainder) -> Window {
        Window::patch(self.proj.kernel_size, remainder)
    }

    /// The grid over the image pooled by `2^level`.
    fn level_layout(&self, size: [usize; 2], level: usize) -> Result<PatchGrid, Error> {
        let factor = 1usize << level;
        for (what, side) in [
            "height of an image with pyramid",
            "width of an image with pyramid",
        ]
        .into_iter()
        .zip(size)
        {
            if side % factor != 0 {
                return Err(Error::Indivisible {
                    what,
                    divisor: factor,
                    got: side,
                });
            }
        }
        self.window(Remainder::Pad)
            .layout(size.map(|side| side / factor))
    }
}

fn average_pool(images: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = images.dims();
    let (rows, cols) = (height / factor, width / factor);
    images
        .reshape([batch, channels, rows, factor, cols, factor])
        .mean_dim(5)
        .mean_dim(3)
        .reshape([batch, channels, rows, cols])
}

/// Boxes of a grid over a part of the image that starts at `origin`, `step` pixels of the image per pixel.
fn boxes_px(grid: &PatchGrid, origin: [f32; 2], step: [f32; 2]) -> Vec<f32> {
    let [height, width] = grid.window.kernel;
    let along = |axis: usize, at: f32| origin[axis] + at * step[axis];
    (0..grid.tokens())
        .flat_map(|cell| {
            let [y, x] = grid.center_px(cell / grid.cols, cell % grid.cols);
            let size = [height as f32 * step[0], width as f32 * step[1]];
            [along(0, y), along(1, x), size[0], size[1]]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    fn crop_box(y: f32, x: f32, height: f32, width: f32) -> CropBox {
        CropBox {
            y,
            x,
            height,
            width,
        }
    }

    fn assert_close<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
        left.into_data()
            .assert_approx_eq(&right.into_data(), tolerance);
    }

    #[test]
    fn a_crop_at_scale_1_on_the_grid_gives_the_tokens_of_the_cells_that_it_covers() {
        let device = Device::flex();
        let config = MultiresPatchEmbedConfig::new([4, 2], 3, 8).with_crop(Some([8, 6]));
        let embed = config.init(&device);
        let images = Tensor::random([2, 3, 16, 12], Distribution::Default, &device);
        let tokens = embed
            .forward_with_crops(images, &[crop_box(8.0, 6.0, 8.0, 6.0)])
            .unwrap();
        // Rows 2 and 3, columns 3 to 5 of a 4×6 grid; 24 cells, 2·3 on the level, then the crop.
        let cells = Tensor::from_ints([[15, 16, 17, 21, 22, 23]; 2], &device);
        let covered = tokens.clone().select(cells);
        let crop = tokens.select(Tensor::from_ints([[30, 31, 32, 33, 34, 35]; 2], &device));
        assert_close(crop.boxes_px(), covered.boxes_px());
        assert_close(crop.into_embeddings(), covered.into_embeddings());
    }

    #[test]
    fn a_level_is_the_embedding_of_the_pooled_image() {
        let device = Device::flex();
        let config = MultiresPatchEmbedConfig::new([2, 2], 1, 4).with_levels(2);
        let mut embed = config.init(&device);
        let images = Tensor::random([1, 1, 8, 8], Distribution::Default, &device);
        let tokens = embed.forward(images.clone());
        let pooled = images.reshape([1, 1, 2, 4, 2, 4]);
        let pooled = pooled.mean_dim(3).mean_dim(5).reshape([1, 1, 2, 2]);
        let level = tokens.patch_embeddings().slice_dim(1, 20..21);
        // The row of octave 2 in the place of octave 0.
        let row = embed.scale_embed.val().slice_dim(0, 4..5);
        embed.scale_embed = Param::from_tensor(row.repeat_dim(0, 5));
        embed.levels = 0;
        assert_close(level, embed.forward(pooled).into_embeddings());
        let place = tokens.boxes_px().slice_dim(1, 20..21);
        assert_close(
            place,
            Tensor::from_floats([[[4.0, 4.0, 8.0, 8.0]]], &device),
        );
    }

    #[test]
    fn scales_between_octaves_blend_their_embeddings() {
        let device = Device::flex();
        let embed = MultiresPatchEmbedConfig::new([2, 2], 1, 4)
            .with_crop(Some([2, 2]))
            .init(&device);
        let images = Tensor::zeros([1, 1, 8, 8], &device);
        let side = 2.0 * 2.0f32.sqrt();
        let crops = [
            crop_box(0.0, 0.0, 1.0, 1.0),
            crop_box(1.0, 1.0, side, side),
            crop_box(0.0, 0.0, 0.25, 0.25),
        ];
        let tokens = embed.forward_with_crops(images, &crops).unwrap();
        let bias = embed.proj.bias.as_ref().unwrap().val().reshape([1, 1, 4]);
        let got = tokens.patch_embeddings().slice_dim(1, 20..) - bias;
        let row = |at: usize| embed.scale_embed.val().slice_dim(0, at..at + 1);
        let want = Tensor::cat(vec![row(1), (row(2) + row(3)) / 2.0, row(0)], 0);
        assert_close(got, want.unsqueeze_dim(0));
    }

    #[test]
    fn boxes_outside_the_image_and_empty_crops_are_errors() {
        let device = Device::flex();
        let embed = MultiresPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let with = |crops: &[CropBox]| {
            embed
                .forward_with_crops(Tensor::zeros([1, 1, 8, 8], &device), crops)
                .unwrap_err()
        };
        let error = with(&[crop_box(4.0, 0.0, 4.5, 8.0)]);
        assert!(matches!(error, Error::OutsideImage { image: [8, 8], .. }));
        assert!(format!("{error}").contains("[4.0, 0.0, 4.5, 8.0]"));
        assert!(matches!(
            with(&[crop_box(-1.0, 0.0, 4.0, 8.0)]),
            Error::OutsideImage { .. }
        ));
        assert!(matches!(
            with(&[crop_box(0.0, 0.0, 0.0, 8.0)]),
            Error::Range { got: 0.0, .. }
        ));
        assert!(matches!(
            with(&[crop_box(0.0, 0.0, 4.0, f32::NAN)]),
            Error::Range { .. }
        ));
        assert!(matches!(with(&[]), Error::Zero { .. }));
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let device = Device::flex();
        let config = MultiresPatchEmbedConfig::new([5, 4], 1, 8);
        assert!(matches!(
            config.init(&device).layout([15, 8]),
            Err(Error::Indivisible {
                divisor: 2,
                got: 15,
                ..
            })
        ));
        assert!(matches!(
            config.clone().with_crop(Some([10, 6])).try_init(&device),
            Err(Error::Remainder { left: [0, 2], .. })
        ));
        assert!(matches!(
            config.clone().with_crop(Some([0, 4])).try_init(&device),
            Err(Error::Zero { .. })
        ));
        assert!(matches!(
            config.with_levels(64).try_init(&device),
            Err(Error::Range { .. })
        ));
    }
}
