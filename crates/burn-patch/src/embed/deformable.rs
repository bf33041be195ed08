//! Deformable patch embedding: boxes predicted from the image, sampled bilinearly.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::embed::linear::{LinearPatchEmbed, LinearPatchEmbedConfig};
use crate::embed::parts::patch_norm::PatchNorm;
use crate::embed::patch_embed::{PatchEmbed, expect_layout};
use crate::grid::{PatchGrid, nonzero};
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::{NORMAL, apply, linear};
use crate::ops::{Images, at_least_single, gather_rows, gelu};
use crate::or_panic::OrPanic;
use crate::resample::sample_map::sample_bilinear;
use crate::tokens::PlaceKind;
use crate::{Error, Tokens};

/// Stages of DPT-Tiny, -Small and -Medium that embed deformably, each over the feature map of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeformablePreset {
    /// 64 channels to 128.
    DptStage2,
    /// 128 channels to 320.
    DptStage3,
    /// 320 channels to 512.
    DptStage4,
}

impl DeformablePreset {
    /// Channels and dim.
    const fn widths(self) -> (usize, usize) {
        match self {
            Self::DptStage2 => (64, 128),
            Self::DptStage3 => (128, 320),
            Self::DptStage4 => (320, 512),
        }
    }
}

/// Configuration of [`DeformablePatchEmbed`].
#[derive(Config, Debug)]
pub struct DeformablePatchEmbedConfig {
    /// Patch `[height, width]` in pixels: the grid that the boxes start from.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Points sampled in a box, `[vertical, horizontal]`, at least 2 each.
    #[config(default = "[3, 3]")]
    pub points: [usize; 2],
}

/// Decodes predicted offsets to boxes.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::DeformablePatchEmbedConfig;
///
/// let embed = DeformablePatchEmbedConfig::new([4, 4], 3, 8).init(&Device::flex());
/// let half_sides = embed.box_coder.wh_bias.val().tanh().into_data().try_to_vec_as::<f32>().unwrap();
/// assert!(half_sides.iter().all(|share| (share - 0.25).abs() < 1e-6));
/// ```
#[derive(Module, Debug)]
pub struct BoxCoder {
    /// Added to the predicted width and height, `[2]`. It starts at `ln √(5/3)`, whose tanh is ¼.
    pub wh_bias: Param<Tensor<1>>,
}

/// Deformable patch embedding: every patch predicts where to look and how far.
///
/// Chen et al., [DPT: Deformable Patch-based Transformer](https://arxiv.org/abs/2107.14467), section 3.2;
/// `classification/models/dpt/depatch_embed.py` (`Simple_DePatch`) and `box_coder.py` (`pointwhCoder`) of
/// CASIA-IVA-Lab/DPT, as its `dpt.py` puts them together. Not the Dense Prediction Transformer.
///
/// # Shapes
///
/// - images or feature maps `[batch, channels, height, width]`
/// - tokens `[batch, (height/patch height)·(width/patch width), dim]`, row-major by the patch that they started
///   from, [off the grid](crate::tokens::Places::Boxes): each carries its box
///
/// # Equation
///
/// With `c` the patch's centre, `P` its size and `·` per axis, in pixels:
///
/// `(δ, σ) = W_o·GELU(LN(Conv2d(I; P, P)))`, `box = clamp(c + tanh(δ)·P ± ReLU(tanh(σ + b))·P, 0, size)`,
///
/// `E = LN(W·[I(p) for the points p of box] + β)`, with `k` points per axis from end to end, `I` read
/// bilinearly with zeros outside. The features are in the order (horizontal point, vertical point, channel).
///
/// `W_o` starts at zero, so every box starts as the middle half of its patch; the linear weights at
/// `N(0, 0.02)`, which is the reference's truncated normal to within its cut at 100 deviations.
///
/// # Departures
///
/// The reference embeds square maps of one size. It samples with the CUDA kernel of multi-scale deformable attention,
/// here it is a gather that every backend has.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{DeformablePatchEmbedConfig, PatchEmbed};
///
/// let device = Device::flex();
/// let embed = DeformablePatchEmbedConfig::new([4, 4], 3, 32).init(&device);
/// let tokens = embed.forward(Tensor::ones([1, 3, 8, 12], &device));
/// assert_eq!(tokens.embeddings().dims(), [1, 6, 32]);
/// // Untrained: ± a quarter of the patch around its centre.
/// let first = tokens.boxes_px().slice([0..1, 0..1]).into_data().try_to_vec_as::<f32>().unwrap();
/// assert!(first.iter().zip([2.0, 2.0, 2.0, 2.0]).all(|(got, want)| (got - want).abs() < 1e-5));
/// ```
#[derive(Module, Debug)]
pub struct DeformablePatchEmbed {
    /// Features that offsets are predicted from: a projection and a LayerNorm.
    pub patch_embed: LinearPatchEmbed,
    /// Predicts `[δx, δy, σw, σh]`; no bias.
    pub offset_predictor: Linear,
    /// Offsets to boxes.
    pub box_coder: BoxCoder,
    /// Projects the sampled values.
    pub output_proj: Linear,
    /// Normalisation at the end.
    pub norm: LayerNorm,
    points: [usize; 2],
}

impl DeformablePatchEmbedConfig {
    /// One token per `stride` pixels, 3×3 points in each box.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(stride, channels, dim)
    }

    /// A stage of DPT: 2×2 patches of a feature map.
    pub fn preset(preset: DeformablePreset) -> Self {
        let (channels, dim) = preset.widths();
        Self::new([2, 2], channels, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, channel count or dim, [`Error::Range`] for fewer than 2 points.
    pub fn try_init(&self, device: &Device) -> Result<DeformablePatchEmbed, Error> {
        if let Some(&count) = self.points.iter().find(|&&count| count < 2) {
            return Err(Error::Range {
                what: "points per axis of a box",
                expected: "at least 2, its ends".into(),
                got: count as f64,
            });
        }
        nonzero("channels and dim", &[self.channels, self.dim])?;
        let values = self.channels * self.points[0] * self.points[1];
        Ok(DeformablePatchEmbed {
            patch_embed: LinearPatchEmbedConfig::new(self.patch, self.channels, self.dim)
                .with_norm(PatchNorm::LAYER)
                .try_init(device)?,
            offset_predictor: linear([self.dim, 4], Initializer::Zeros, None, device),
            box_coder: BoxCoder {
                wh_bias: Initializer::Constant {
                    value: (5.0f64 / 3.0).sqrt().ln(),
                }
                .init([2], device),
            },
            output_proj: linear([values, self.dim], NORMAL, Some(Initializer::Zeros), device),
            norm: LayerNormConfig::new(self.dim).init(device),
            points: self.points,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> DeformablePatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl PatchEmbed for DeformablePatchEmbed {
    fn channels(&self) -> usize {
        self.patch_embed.channels()
    }

    fn dim(&self) -> usize {
        self.patch_embed.dim()
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        self.patch_embed.layout(size)
    }

    fn places(&self) -> PlaceKind {
        PlaceKind::Boxes
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let features = self
            .patch_embed
            .forward_images(images.clone(), cells.clone());
        let boxes = self.boxes(features.into_embeddings(), cells, &grid);
        let images = images.into_floats(self.output_proj.weight.val().dtype());
        let embeddings = self.sample(images, &boxes);
        Tokens::off_grid(embeddings, grid, boxes.centered())
    }
}

impl DeformablePatchEmbed {
    /// Boxes predicted from the features of all patches, or of those at `cells`.
    fn boxes(&self, features: Tensor<3>, cells: Option<Tensor<2, Int>>, grid: &PatchGrid) -> Boxes {
        let dtype = at_least_single(features.dtype());
        let offsets = apply(&self.offset_predictor, gelu(features)).cast(dtype);
        let bias = self.box_coder.wh_bias.val().cast(dtype).reshape([1, 1, 2]);
        let centers = centers_px(grid, &offsets.device()).cast(dtype);
        let centers = match cells {
            None => centers,
            Some(cells) => gather_rows(centers, cells),
        };
        let ends = [0, 1].map(|axis: usize| {
            // Offsets have the horizontal first, centres the vertical.
            let other = 1 - axis;
            let step = grid.window.stride[axis] as f32;
            let of = |values: &Tensor<3>, at: usize| values.clone().slice_dim(2, at..at + 1);
            let center = of(&centers, axis) + tanh(of(&offsets, other)) * step;
            let half = relu(tanh(of(&offsets, 2 + other) + of(&bias, other))) * step;
            [center.clone() - half.clone(), center + half]
                .map(|end| end.clamp(0.0, grid.size[axis] as f32))
        });
        Boxes { ends }
    }

    fn sample(&self, images: Tensor<4>, boxes: &Boxes) -> Tensor<3> {
        let [vertical, horizontal] = self.points;
        let [batch, channels, ..] = images.dims();
        let [y, x] = [0, 1].map(|axis| boxes.points(axis, self.points[axis]));
        let [_, tokens, _] = y.dims();
        let shape = [batch, tokens, horizontal, vertical];
        let points = [y.unsqueeze_dim::<4>(2), x.unsqueeze_dim::<4>(3)].map(|place| {
            place
                .expand(shape)
                .reshape([batch, tokens * horizontal * vertical])
        });
        let values = sample_bilinear(images, points);
        let values = values.reshape([batch, tokens, horizontal * vertical * channels]);
        self.norm.forward(apply(&self.output_proj, values))
    }
}

/// Ends of each box in pixels: vertical, then horizontal; first, then last; `[batch, tokens, 1]`.
struct Boxes {
    ends: [[Tensor<3>; 2]; 2],
}

impl Boxes {
    /// `count` places from end to end, both included: `[batch, tokens, count]`.
    fn points(&self, axis: usize, count: usize) -> Tensor<3> {
        let [first, last] = self.ends[axis].clone();
        let along: Vec<f32> = (0..count).map(|i| i as f32 / (count - 1) as f32).collect();
        let options = (&first.device(), first.dtype());
        let along = Tensor::from_data(TensorData::new(along, [1, 1, count]), options);
        first.clone() + (last - first) * along
    }

    /// `[center y, center x, height, width]`: `[batch, tokens, 4]`.
    fn centered(self) -> Tensor<3> {
        let [[top, bottom], [left, right]] = self.ends;
        let middle = |first: &Tensor<3>, last: &Tensor<3>| (first.clone() + last.clone()) / 2.0;
        let (y, x) = (middle(&top, &bottom), middle(&left, &right));
        Tensor::cat(vec![y, x, bottom - top, right - left], 2)
    }
}

/// Centres of the grid's cells, `[1, tokens, 2]`.
fn centers_px(grid: &PatchGrid, device: &Device) -> Tensor<3> {
    let centers: Vec<f32> = (0..grid.tokens())
        .flat_map(|cell| grid.center_px(cell / grid.cols, cell % grid.cols))
        .collect();
    Tensor::from_data(TensorData::new(centers, [1, grid.tokens(), 2]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::patch_windows;
    use burn::tensor::{Distribution, Tolerance};

    /// On 2×2 patches the untrained box ends on the pixels' centres: the points are the two pixels and their
    /// mean on each axis, whatever the place.
    #[test]
    fn with_zero_offsets_every_patch_is_sampled_at_the_same_regular_points() {
        let device = Device::flex();
        let embed = DeformablePatchEmbedConfig::new([2, 2], 3, 8).init(&device);
        let images = Tensor::random([2, 3, 6, 10], Distribution::Default, &device);
        let tokens = embed.forward(images.clone());

        let grid = *tokens.grid();
        let windows = patch_windows(images, &grid).reshape([2, 15, 3, 4]);
        let blend =
            Tensor::<2>::from_floats([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]], &device).reshape([6]);
        let blend = blend.into_data().try_to_vec_as::<f32>().unwrap();
        // (pixel row, pixel column) → (horizontal point, vertical point).
        let mixer: Vec<f32> = (0..4)
            .flat_map(|pixel| (0..9).map(move |point| (pixel, point)))
            .map(|(pixel, point)| {
                let (row, col, x, y) = (pixel / 2, pixel % 2, point / 3, point % 3);
                blend[row * 3 + y] * blend[col * 3 + x]
            })
            .collect();
        let mixer = Tensor::<2>::from_data(TensorData::new(mixer, [4, 9]), &device);
        let points = windows.matmul(mixer.unsqueeze::<4>());
        let points = points.swap_dims(2, 3).reshape([2, 15, 27]);
        let want = embed.norm.forward(embed.output_proj.forward(points));
        tokens
            .into_embeddings()
            .into_data()
            .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-4, 1e-4));
    }

    #[test]
    fn boxes_stay_inside_the_image() {
        let device = Device::flex();
        let mut embed = DeformablePatchEmbedConfig::new([4, 2], 1, 8).init(&device);
        let weight = Tensor::random([8, 4], Distribution::Uniform(-3.0, 3.0), &device);
        embed.offset_predictor.weight = Param::from_tensor(weight);
        let images = Tensor::random([2, 1, 8, 6], Distribution::Default, &device);
        let boxes = embed.forward(images).boxes_px().into_data();
        for place in boxes.try_to_vec_as::<f32>().unwrap().chunks(4) {
            let [y, x, height, width] = [place[0], place[1], place[2], place[3]];
            assert!(
                y - height / 2.0 >= -1e-5 && y + height / 2.0 <= 8.0 + 1e-5,
                "{place:?}"
            );
            assert!(
                x - width / 2.0 >= -1e-5 && x + width / 2.0 <= 6.0 + 1e-5,
                "{place:?}"
            );
        }
    }

    #[test]
    fn one_point_per_axis_is_an_error() {
        let config = DeformablePatchEmbedConfig::new([4, 4], 3, 8).with_points([3, 1]);
        assert!(matches!(
            config.try_init(&Device::flex()),
            Err(Error::Range { got: 1.0, .. })
        ));
    }

    #[test]
    fn presets_are_the_stages_of_dpt() {
        let device = Device::flex();
        let presets = [
            DeformablePreset::DptStage2,
            DeformablePreset::DptStage3,
            DeformablePreset::DptStage4,
        ];
        let chain = presets.map(|preset| DeformablePatchEmbedConfig::preset(preset).init(&device));
        assert_eq!(chain[2].layout([14, 14]).unwrap().tokens(), 49);
        for pair in chain.windows(2) {
            assert_eq!(pair[0].dim(), pair[1].channels());
        }
    }
}
