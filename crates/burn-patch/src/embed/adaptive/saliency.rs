//! How much detail a region holds: scores of quadtree nodes.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::embed::adaptive::forest::{Forest, Level};
use crate::grid::{PatchGrid, nonzero};
use crate::or_panic::OrPanic;
use crate::resample::align::Align;
use crate::resample::filter::Filter;
use crate::resample::profile::Profile;
use crate::resample::resize::Resize;

/// What makes a node worth splitting.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Saliency {
    /// What is lost by shrinking the node to the smallest patch, `√(MSE·side)`, `side` the node's side in pixels
    /// (the geometric mean of its two): Quadformer's pixel blur (`mixed_res/patch_scorers/pixel_blur_patch_scorer.py`,
    /// there with the opposite sign). Shrunk and enlarged again bilinearly, without antialiasing.
    #[default]
    Blur,
    /// Entropy in bits of the histogram of grey values: APT's (`src/models/entropy_utils.py`). Grey is
    /// 0.2989 R + 0.587 G + 0.114 B, the first channel where there are not three.
    Entropy {
        /// Bins of the histogram.
        bins: usize,
        /// Where the first bin begins.
        low: f64,
        /// Where the last bin ends; values outside count to the nearest bin.
        high: f64,
    },
    /// Variance of the pixels, averaged over the channels.
    Variance,
}

/// Added to a probability under the logarithm, as APT does.
const EPSILON: f64 = 1e-10;

/// Weights of red, green and blue in grey.
const GREY: [f64; 3] = [0.2989, 0.587, 0.114];

impl Saliency {
    /// APT's entropy of images in `[0, 255]`.
    pub const APT: Self = Self::Entropy {
        bins: 512,
        low: 0.0,
        high: 256.0,
    };

    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self::Entropy { bins, low, high } = *self else {
            return Ok(());
        };
        nonzero("histogram bins", &[bins])?;
        let range = high - low;
        if range.is_finite() && range > 0.0 {
            return Ok(());
        }
        Err(Error::Range {
            what: "high end of the histogram",
            expected: format!("more than the low end, {low}"),
            got: high,
        })
    }

    /// Scores per splittable level, `[batch, nodes]` each, in `f32` and without gradients.
    pub(crate) fn scores(
        &self,
        images: Tensor<4>,
        forest: &Forest,
        grid: &PatchGrid,
    ) -> Vec<Tensor<2>> {
        let images = images.detach().cast(DType::F32);
        let levels = forest.splittable_levels().iter();
        let cell = grid.window.kernel;
        match *self {
            Self::Blur => levels
                .map(|level| blur(images.clone(), level, cell))
                .collect(),
            Self::Variance => {
                let scores = levels.map(|level| {
                    let nodes = Nodes::of(images.clone(), level, cell);
                    let mean = nodes.mean(nodes.pixels.clone());
                    let square = (nodes.pixels.clone() - mean).square();
                    flat(nodes.mean(square))
                });
                scores.collect()
            }
            Self::Entropy { bins, low, high } => {
                let histogram = histogram(grey(images), grid, bins, low, high);
                let pixels = (cell[0] * cell[1]) as f64;
                let scores = levels.map(|level| entropy(&histogram, level, pixels));
                scores.collect()
            }
        }
    }
}

/// Mean of a saliency map (`[batch, 1, height, width]`) over each node: scores as those of [`Saliency::scores`].
pub(crate) fn map_scores(map: Tensor<4>, forest: &Forest, grid: &PatchGrid) -> Vec<Tensor<2>> {
    let map = map.detach().cast(DType::F32);
    let levels = forest.splittable_levels().iter();
    let scores = levels.map(|level| {
        let nodes = Nodes::of(map.clone(), level, grid.window.kernel);
        flat(nodes.mean(nodes.pixels.clone()))
    });
    scores.collect()
}

/// The pixels under a level's nodes, `[batch, channels, rows, height, cols, width]`.
struct Nodes {
    pixels: Tensor<6>,
}

impl Nodes {
    fn of(images: Tensor<4>, level: &Level, cell: [usize; 2]) -> Self {
        let [batch, channels, ..] = images.dims();
        let [height, width] = cell.map(|side| side * level.side);
        let covered = covered(images, level, cell);
        Self {
            pixels: covered.reshape([batch, channels, level.rows, height, level.cols, width]),
        }
    }

    /// Mean per node and channel, `[batch, channels, rows, 1, cols, 1]`.
    fn mean(&self, pixels: Tensor<6>) -> Tensor<6> {
        pixels.mean_dim(5).mean_dim(3)
    }
}

/// Channels averaged, one value per node.
fn flat(means: Tensor<6>) -> Tensor<2> {
    let [batch, _, rows, _, cols, _] = means.dims();
    means.mean_dim(1).reshape([batch, rows * cols])
}

/// The part of the images that the level's nodes cover.
pub(crate) fn covered(images: Tensor<4>, level: &Level, cell: [usize; 2]) -> Tensor<4> {
    let [height, width] = cell.map(|side| side * level.side);
    images
        .slice_dim(2, 0..level.rows * height)
        .slice_dim(3, 0..level.cols * width)
}

fn blur(images: Tensor<4>, level: &Level, cell: [usize; 2]) -> Tensor<2> {
    let side = ((cell[0] * cell[1]) as f64).sqrt() * level.side as f64;
    let images = covered(images, level, cell);
    let [_, _, height, width] = images.dims();
    let small = middle(images.clone(), level.side);
    let [rows, cols] = [height / level.side, width / level.side];
    let linear = Profile::Custom(Filter::Linear(Align::Edges));
    let enlarge = Resize::try_new([rows, cols], [height, width], linear).or_panic();
    let blurred = enlarge.apply_map(small);
    let nodes = Nodes::of((blurred - images).square(), level, cell);
    (flat(nodes.mean(nodes.pixels.clone())) * side).sqrt()
}

/// Mean of the middle two by two pixels of each block of `factor` by `factor`, which is bilinear shrinking by a power of two without antialiasing (align_corners off).
pub(crate) fn middle(images: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return images;
    }
    let [batch, channels, height, width] = images.dims();
    let middle = factor / 2 - 1..factor / 2 + 1;
    let blocks = [
        batch,
        channels,
        height / factor,
        factor,
        width / factor,
        factor,
    ];
    let blocks: Tensor<6> = images.reshape(blocks);
    let blocks = blocks.slice_dim(3, middle.clone()).slice_dim(5, middle);
    let means = blocks.mean_dim(5).mean_dim(3);
    means.reshape([batch, channels, height / factor, width / factor])
}

/// Mean of each block of `[height, width]` pixels.
pub(crate) fn area(images: Tensor<4>, [down, across]: [usize; 2]) -> Tensor<4> {
    if [down, across] == [1, 1] {
        return images;
    }
    let [batch, channels, height, width] = images.dims();
    let [rows, cols] = [height / down, width / across];
    let blocks: Tensor<6> = images.reshape([batch, channels, rows, down, cols, across]);
    blocks
        .mean_dim(5)
        .mean_dim(3)
        .reshape([batch, channels, rows, cols])
}

fn grey(images: Tensor<4>) -> Tensor<3> {
    let [_, channels, ..] = images.dims();
    let channel = |index: usize| images.clone().slice_dim(1, index..index + 1);
    let grey = match channels {
        3 => channel(0) * GREY[0] + channel(1) * GREY[1] + channel(2) * GREY[2],
        _ => channel(0),
    };
    grey.squeeze_dim(1)
}

/// Counts per finest cell, `[batch, rows, cols, bins]`.
fn histogram(grey: Tensor<3>, grid: &PatchGrid, bins: usize, low: f64, high: f64) -> Tensor<4> {
    let [batch, ..] = grey.dims();
    let [height, width] = grid.window.kernel;
    let blocks = grey.reshape([batch, grid.rows, height, grid.cols, width]);
    let cells = batch * grid.tokens();
    let blocks = blocks.swap_dims(2, 3).reshape([cells, height * width]);
    let bin = (blocks - low) * (bins as f64 / (high - low));
    let bin: Tensor<2, Int> = bin.floor().clamp(0.0, (bins - 1) as f64).int();
    let device = bin.device();
    let one = Tensor::ones(bin.dims(), (&device, DType::F32));
    let none = Tensor::<2>::zeros([cells, bins], (&device, DType::F32));
    let counts = none.scatter(1, bin, one, IndexingUpdateOp::Add);
    counts.reshape([batch, grid.rows, grid.cols, bins])
}

/// A node's histogram is the sum of its cells'.
fn entropy(histogram: &Tensor<4>, level: &Level, pixels: f64) -> Tensor<2> {
    let [batch, _, _, bins] = histogram.dims();
    let side = level.side;
    let blocks = histogram
        .clone()
        .slice_dim(1, 0..level.rows * side)
        .slice_dim(2, 0..level.cols * side)
        .reshape([batch, level.rows, side, level.cols, side, bins]);
    let counts = blocks.sum_dim(4).sum_dim(2);
    let counts = counts.reshape([batch, level.nodes(), bins]);
    let share = counts / (pixels * (side * side) as f64);
    let bits = share.clone() * (share + EPSILON).log() / core::f64::consts::LN_2;
    bits.sum_dim(2).neg().squeeze_dim(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Device, Distribution, TensorData};

    fn scores(saliency: Saliency, images: Tensor<4>) -> Vec<f32> {
        let [_, _, height, width] = images.dims();
        let grid = Window::patch([2, 2], Remainder::Reject);
        let grid = grid.layout([height, width]).unwrap();
        let forest = Forest::new([grid.rows, grid.cols], 2);
        let score = saliency.scores(images, &forest, &grid).remove(0);
        score.into_data().try_to_vec_as().unwrap()
    }

    fn close(got: f32, want: f32) {
        assert!(
            (got - want).abs() <= 1e-5 * want.abs().max(1.0),
            "{got}, not {want}"
        );
    }

    /// Black and white in turns, left half; grey, right half.
    fn half_a_checkerboard() -> Tensor<4> {
        let pixels = (0..32).map(|i| match (i / 8, i % 8) {
            (row, col) if col < 4 => ((row + col) % 2) as f32,
            _ => 0.5,
        });
        let pixels: Vec<f32> = pixels.collect();
        Tensor::from_data(TensorData::new(pixels, [1, 1, 4, 8]), &Device::flex())
    }

    #[test]
    fn two_equally_frequent_values_are_one_bit() {
        let entropy = Saliency::Entropy {
            bins: 4,
            low: 0.0,
            high: 1.0,
        };
        let bits = scores(entropy, half_a_checkerboard());
        close(bits[0], 1.0);
        close(bits[1], 0.0);
    }

    #[test]
    fn a_checkerboard_of_zeros_and_ones_has_variance_a_quarter() {
        let variance = scores(Saliency::Variance, half_a_checkerboard());
        close(variance[0], 0.25);
        close(variance[1], 0.0);
    }

    #[test]
    fn blur_loses_all_of_a_checkerboard() {
        let blur = scores(Saliency::Blur, half_a_checkerboard());
        close(blur[0], (0.25f32 * 4.0).sqrt());
        close(blur[1], 0.0);
    }

    #[test]
    fn shrinking_by_the_middle_is_the_linear_filter() {
        let images = Tensor::<4>::random([1, 2, 8, 16], Distribution::Default, &Device::flex());
        let linear = Profile::Custom(Filter::Linear(Align::Edges));
        for factor in [2, 4, 8] {
            let shrink = Resize::try_new([8, 16], [8 / factor, 16 / factor], linear).unwrap();
            let apart = middle(images.clone(), factor) - shrink.apply_map(images.clone());
            assert!(apart.abs().max().into_scalar::<f32>() < 1e-6);
        }
    }

    #[test]
    fn bilinear_and_area_shrinking_agree_for_two_and_differ_for_four() {
        let images = Tensor::<4>::random([1, 2, 8, 16], Distribution::Default, &Device::flex());
        let apart = |factor| {
            let apart = middle(images.clone(), factor) - area(images.clone(), [factor; 2]);
            apart.abs().max().into_scalar::<f32>()
        };
        assert!(apart(2) < 1e-6);
        assert!(apart(4) > 1e-3);
    }
}
