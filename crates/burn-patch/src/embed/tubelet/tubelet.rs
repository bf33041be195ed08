//! Tubelets: patches of a video in space and time.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv3d, Conv3dConfig};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::parts::patch_norm::{PatchNorm, normed};
use crate::embed::parts::remade::as_trained;
use crate::embed::patch_embed::{PatchEmbed, check_channels, expect_layout, on_grid};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::PYTORCH;
use crate::ops::{Images, project_cells, project_patches, project_pixels};
use crate::or_panic::OrPanic;
use crate::resample::channels::ChannelMap;
use crate::resample::filter::Filter;
use crate::resample::resize_kernel::resize_kernel;
use crate::{Error, Tokens};

/// Published tubelets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TubeletPreset {
    /// ViViT-B/16x2: 2 frames of 16×16, width 768.
    VivitB,
    /// VideoMAE-B: 2 frames of 16×16, width 768.
    VideoMaeB,
    /// Qwen2-VL's vision tower: 2 frames of 14×14, width 1280, no bias.
    Qwen2Vl,
}

impl TubeletPreset {
    /// Tubelet, dim, bias.
    const fn settings(self) -> ([usize; 3], usize, bool) {
        match self {
            Self::VivitB | Self::VideoMaeB => ([2, 16, 16], 768, true),
            Self::Qwen2Vl => ([2, 14, 14], 1280, false),
        }
    }
}

/// Configuration of [`TubeletPatchEmbed`].
#[derive(Config, Debug)]
pub struct TubeletPatchEmbedConfig {
    /// Tubelet `[frames, height, width]`, the last two in pixels.
    pub tubelet: [usize; 3],
    /// Channels of the frames.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Whether the projection has a bias. Qwen2-VL's has none.
    #[config(default = true)]
    pub bias: bool,
    /// Normalisation after the projection.
    #[config(default = "PatchNorm::None")]
    pub norm: PatchNorm,
    /// Initialiser of weight and bias. The default is PyTorch's for `Conv3d`, which VideoMAE keeps.
    #[config(default = "PYTORCH")]
    pub initializer: Initializer,
}

/// Tubelet embedding: non-overlapping patches of a few frames each, multiplied by one shared matrix.
///
/// Arnab et al., [ViViT](https://arxiv.org/abs/2103.15691), section 3.2; Tong et al.,
/// [VideoMAE](https://arxiv.org/abs/2203.12602) (`PatchEmbed` in `modeling_finetune.py`); Wang et al.,
/// [Qwen2-VL](https://arxiv.org/abs/2409.12191) (`PatchEmbed` in transformers' `modeling_qwen2_vl.py`).
///
/// # Shapes
///
/// - video `[batch, channels, frames, height, width]`
/// - tokens `[batch, (frames/t)·(height/h)·(width/w), dim]` in the order (time, row, column)
/// - images `[batch, channels, height, width]`, as clips of `t` equal frames: tokens of one time
///
/// A video's grid has `frames/t` frames of `(height/h)·(width/w)` cells.
///
/// # Equation
///
/// `eᵢ = W·flatten(vᵢ) + b`, the convolution `Conv3d(V)` whose stride equals its kernel `[t, h, w]`. Here it is
/// a 2-D projection of all groups of `t` frames, one below the other, whose pixels have `channels·t` channels. For an image, `W` is summed over
/// the frames: [`fold`](Self::fold).
///
/// # Departures
///
/// A convolution leaves frames and borders that no tubelet reads; here they are an error. Qwen2-VL's processor
/// repeats the last frame of an odd clip and puts tokens in blocks of 2×2 for its merger; both are left to the
/// caller, and tokens are in row-major order.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{PatchEmbed, TubeletPatchEmbedConfig};
///
/// let device = Device::flex();
/// let embed = TubeletPatchEmbedConfig::new([2, 8, 8], 3, 32).init(&device);
/// let tokens = embed.forward_video(Tensor::zeros([1, 3, 4, 16, 24], &device));
/// assert_eq!(tokens.embeddings().dims(), [1, 2 * 2 * 3, 32]);
/// assert_eq!((tokens.grid().frames, tokens.grid().rows, tokens.grid().cols), (2, 2, 3));
/// assert!(embed.layout_video([3, 16, 24]).is_err());
///
/// let tokens = embed.forward(Tensor::zeros([1, 3, 16, 24], &device));
/// assert_eq!(tokens.embeddings().dims(), [1, 6, 32]);
/// ```
#[derive(Module, Debug)]
pub struct TubeletPatchEmbed {
    /// The projection, weight `[dim, channels, t, h, w]`.
    pub proj: Conv3d,
    /// Normalisation after it.
    pub norm: Option<LayerNorm>,
}

impl TubeletPatchEmbedConfig {
    /// Tubelets of two frames with one token per `stride` pixels.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new([2, stride[0], stride[1]], channels, dim)
    }

    /// Published sizes.
    pub fn preset(preset: TubeletPreset) -> Self {
        let (tubelet, dim, bias) = preset.settings();
        Self::new(tubelet, 3, dim).with_bias(bias)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero tubelet, channel count or dim.
    pub fn try_init(&self, device: &Device) -> Result<TubeletPatchEmbed, Error> {
        nonzero("tubelet", &self.tubelet)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        let proj = Conv3dConfig::new([self.channels, self.dim], self.tubelet)
            .with_stride(self.tubelet)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        Ok(TubeletPatchEmbed {
            proj,
            norm: self.norm.init(self.dim, device),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> TubeletPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl TubeletPatchEmbed {
    /// The grid that [`forward_video`](Self::forward_video) gives for a `clip` of `[frames, height, width]`.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for a clip shorter than a tubelet, [`Error::Indivisible`] and [`Error::Remainder`] for frames
    /// and pixels left over.
    pub fn layout_video(&self, clip: [usize; 3]) -> Result<PatchGrid, Error> {
        let [frames, height, width] = clip;
        let [tubelet, ..] = self.proj.kernel_size;
        if frames < tubelet {
            return Err(Error::Range {
                what: "frames of the clip",
                expected: format!("at least one tubelet's {tubelet}"),
                got: frames as f64,
            });
        }
        if !frames.is_multiple_of(tubelet) {
            return Err(Error::Indivisible {
                what: "frames of the clip",
                divisor: tubelet,
                got: frames,
            });
        }
        Ok(self.layout([height, width])?.over_frames(frames / tubelet))
    }

    /// The grid of all groups of frames, one below the other.
    fn strip_layout(&self, grid: &PatchGrid) -> Result<PatchGrid, Error> {
        let [height, width] = grid.size;
        let strip = grid
            .frames
            .checked_mul(height)
            .ok_or_else(|| Error::Overflow {
                what: "groups of frames × height",
                got: vec![grid.frames, height],
            })?;
        self.window().layout([strip, width])
    }

    /// Embeds a video.
    ///
    /// # Panics
    ///
    /// With the text of [`layout_video`](Self::layout_video)'s error, or if the channels differ.
    #[track_caller]
    pub fn forward_video(&self, video: Tensor<5>) -> Tokens {
        let (images, strip, grid) = self.strip(video);
        let embeddings = project_patches(images, self.strip_weight(), self.bias(), &strip);
        Tokens::from_grid(self.finish(embeddings), grid)
    }

    /// Embeds only the cells `[batch, kept]` of the video's grid: the same tokens as
    /// `forward_video(video).select(cells)`.
    ///
    /// # Panics
    ///
    /// As [`forward_video`](Self::forward_video).
    #[track_caller]
    pub fn forward_video_visible(&self, video: Tensor<5>, cells: Tensor<2, Int>) -> Tokens {
        let (images, strip, grid) = self.strip(video);
        let weight = self.strip_weight();
        let embeddings = project_cells(images, weight, self.bias(), cells.clone(), &strip);
        Tokens::from_cells(self.finish(embeddings), grid, cells)
    }

    /// The video as an image of `channels·t` channels, one group of frames below the other; that image's grid, and the
    /// video's.
    #[track_caller]
    fn strip(&self, video: Tensor<5>) -> (Tensor<4>, PatchGrid, PatchGrid) {
        let [batch, channels, frames, height, width] = video.dims();
        let (strip, grid) = check_channels(self.channels(), channels)
            .and_then(|()| self.layout_video([frames, height, width]))
            .and_then(|grid| Ok((self.strip_layout(&grid)?, grid)))
            .or_panic();
        let [tubelet, ..] = self.proj.kernel_size;
        let times = grid.frames;
        let images = video
            .reshape([batch, channels, times, tubelet, height, width])
            .swap_dims(2, 3)
            .reshape([batch, channels * tubelet, times * height, width]);
        (images, strip, grid)
    }

    /// The weight with a tubelet's frames as channels.
    fn strip_weight(&self) -> Tensor<4> {
        let [tubelet, height, width] = self.proj.kernel_size;
        let shape = [self.dim(), self.channels() * tubelet, height, width];
        self.proj.weight.val().reshape(shape)
    }

    pub(crate) fn patch(&self) -> [usize; 2] {
        let [_, height, width] = self.proj.kernel_size;
        [height, width]
    }

    fn window(&self) -> Window {
        Window::patch(self.patch(), Remainder::Reject)
    }

    fn bias(&self) -> Option<Tensor<1>> {
        self.proj.bias.as_ref().map(|bias| bias.val())
    }

    pub(crate) fn image_weight(&self) -> Tensor<4> {
        self.proj.weight.val().sum_dim(2).squeeze_dim(2)
    }

    fn finish(&self, embeddings: Tensor<3>) -> Tensor<3> {
        normed(&self.norm, embeddings)
    }
}

impl PatchEmbed for TubeletPatchEmbed {
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
        let (weight, bias) = (self.image_weight(), self.bias());
        let embeddings = project_pixels(images, weight, bias, None, cells.clone(), &grid);
        on_grid(self.finish(embeddings), grid, cells)
    }

    fn with_patch_size_by(self, patch: [usize; 2], filter: Filter) -> Result<Self, Error> {
        let [tubelet, ..] = self.proj.kernel_size;
        let (dim, channels) = (self.dim(), self.channels());
        let weight = resize_kernel(self.strip_weight(), patch, filter)?;
        let kernel = [tubelet, patch[0], patch[1]];
        let mut proj = Conv3dConfig::new([channels, dim], kernel)
            .with_stride(kernel)
            .with_bias(self.proj.bias.is_some())
            .init(&weight.device());
        let weight = weight.reshape([dim, channels, tubelet, patch[0], patch[1]]);
        proj.weight = as_trained(&self.proj.weight, weight);
        proj.bias = self.proj.bias;
        Ok(Self { proj, ..self })
    }

    fn with_channels(mut self, map: &ChannelMap) -> Result<Self, Error> {
        let [dim, channels, frames, height, width] = self.proj.weight.dims();
        let flat = [dim, channels, frames * height, width];
        let weight = map.apply(self.proj.weight.val().reshape(flat))?;
        let weight = weight.reshape([dim, map.to(), frames, height, width]);
        self.proj.weight = as_trained(&self.proj.weight, weight);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    fn assert_close(left: Tokens, right: Tokens) {
        let [left, right] = [left, right].map(|tokens| tokens.into_embeddings().into_data());
        left.assert_approx_eq(&right, Tolerance::<f32>::rel_abs(1e-4, 1e-5));
    }

    #[test]
    fn it_is_the_three_dimensional_convolution() {
        let device = Device::flex();
        let embed = TubeletPatchEmbedConfig::new([2, 4, 3], 3, 8).init(&device);
        let video = Tensor::random([2, 3, 6, 8, 9], Distribution::Default, &device);
        let map = embed.proj.forward(video.clone());
        let want = map.reshape([2, 8, 3 * 2 * 3]).swap_dims(1, 2);
        let tokens = embed.forward_video(video);
        let grid = tokens.grid();
        assert_eq!([grid.frames, grid.rows, grid.cols], [3, 2, 3]);
        tokens
            .into_embeddings()
            .into_data()
            .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-4, 1e-5));
    }

    #[test]
    fn visible_tokens_of_a_video_are_those_of_the_whole() {
        let device = Device::flex();
        let embed = TubeletPatchEmbedConfig::new([2, 4, 3], 3, 8).init(&device);
        let video = Tensor::random([2, 3, 6, 8, 9], Distribution::Default, &device);
        let cells = Tensor::from_ints([[17, 0, 7], [4, 4, 12]], &device);
        let visible = embed.forward_video_visible(video.clone(), cells.clone());
        assert_close(visible, embed.forward_video(video).select(cells));
    }

    #[test]
    fn a_tubelet_longer_than_the_clip_is_an_error() {
        let embed = TubeletPatchEmbedConfig::new([4, 4, 4], 3, 8).init(&Device::flex());
        let error = embed.layout_video([3, 8, 8]).unwrap_err();
        assert_eq!(
            format!("{error}"),
            "frames of the clip: expected at least one tubelet's 4, got 3"
        );
        assert!(matches!(
            embed.layout_video([6, 8, 8]),
            Err(Error::Indivisible {
                divisor: 4,
                got: 6,
                ..
            })
        ));
        assert!(matches!(
            embed.layout_video([8, 6, 8]),
            Err(Error::Remainder { left: [2, 0], .. })
        ));
    }

    #[rstest]
    #[case(TubeletPreset::VivitB, [16, 224, 224], 8 * 14 * 14)]
    #[case(TubeletPreset::VideoMaeB, [16, 224, 224], 8 * 14 * 14)]
    #[case(TubeletPreset::Qwen2Vl, [2, 224, 224], 16 * 16)]
    fn presets_have_the_published_number_of_tokens(
        #[case] preset: TubeletPreset,
        #[case] clip: [usize; 3],
        #[case] tokens: usize,
    ) {
        let embed = TubeletPatchEmbedConfig::preset(preset).init(&Device::flex());
        assert_eq!(embed.layout_video(clip).unwrap().tokens(), tokens);
    }
}
