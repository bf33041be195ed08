//! Mixed scales without learning: quadtrees that split where there is detail.

use alloc::vec;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, LayerNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::forest::{Forest, Leaves, Level};
use super::projection::{convolve, project, to_map, to_tokens};
use super::saliency::{Saliency, area, covered, map_scores, middle};
use super::{PatchEmbed, PatchNorm, expect_layout};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::apply;
use crate::ops::gather_rows;
use crate::{Error, Tokens};

/// Levels beyond which a patch is larger than any image.
const MAX_LEVELS: usize = 16;

/// Which nodes are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Selection {
    /// The best-first search from the roots stops after as many splits as this share of the coarsest nodes, rounded
    /// up. Every image gets the same number of tokens.
    Share {
        /// Splits per coarsest node.
        of_roots: f64,
    },
    /// The best-first search stops after so many splits: `roots + 3·count` tokens for every image (Quadformer).
    Splits {
        /// Number of splits.
        count: usize,
    },
    /// A node is split where its score reaches its level's threshold and its ancestors were split (APT). Images
    /// differ in tokens: the batch is padded to the capacity and says which tokens are valid.
    Threshold {
        /// One threshold per splittable level, from twice the smallest patch to the largest.
        thresholds: Vec<f64>,
        /// Places for tokens; none: as many as there are smallest patches. Where there are too few, the splits are
        /// the first of the best-first search among those over their threshold.
        capacity: Option<usize>,
    },
}

/// How a large node is brought to the size of the smallest patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Shrink {
    /// Bilinearly without antialiasing, as Quadformer and APT: the middle two by two pixels of each block.
    #[default]
    Bilinear,
    /// The mean of each block. The same for blocks of two by two.
    Area,
}

/// Published configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuadtreePreset {
    /// Quadformer's sizes: patches of 64, 32 and 16 px by pixel blur, 60 splits. An image of 256 px gets the 196
    /// tokens that ViT/16 has at 224 px.
    Quadformer,
    /// APT at 224 px: patches of 32 and 16 px by entropy of images in `[0, 255]`, threshold 5.5.
    Apt,
}

impl QuadtreePreset {
    /// Levels, saliency, selection, whether sub-patches are aggregated.
    fn settings(self) -> (usize, Saliency, Selection, bool) {
        match self {
            Self::Quadformer => (3, Saliency::Blur, Selection::Splits { count: 60 }, false),
            Self::Apt => {
                let selection = Selection::Threshold {
                    thresholds: vec![5.5],
                    capacity: None,
                };
                (2, Saliency::APT, selection, true)
            }
        }
    }
}

/// Configuration of [`QuadtreePatchEmbed`].
#[derive(Config, Debug)]
pub struct QuadtreePatchEmbedConfig {
    /// Smallest patch, `[height, width]` in pixels.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Sizes of patches, each twice the one before: the largest is `2^(levels − 1)` smallest ones a side.
    #[config(default = 2)]
    pub levels: usize,
    /// What makes a node worth splitting.
    #[config(default = "Saliency::Blur")]
    pub saliency: Saliency,
    /// Which nodes are split.
    #[config(default = "Selection::Share { of_roots: 0.5 }")]
    pub selection: Selection,
    /// How a large node is brought to the size of the smallest patch.
    #[config(default = "Shrink::Bilinear")]
    pub shrink: Shrink,
    /// Whether a large node also hears of its smallest patches (APT): their embeddings, through one 2×2 convolution
    /// of stride 2 per level and a linear layer that starts at zero, are added.
    #[config(default = false)]
    pub aggregate: bool,
    /// Whether the projection has a bias.
    #[config(default = true)]
    pub bias: bool,
    /// Normalisation after the projection.
    #[config(default = "PatchNorm::None")]
    pub norm: PatchNorm,
}

/// Patches of several sizes, small where there is detail, through one shared projection.
///
/// Ronen et al., [Vision Transformers with Mixed-Resolution Tokenization](https://arxiv.org/abs/2302.07685)
/// (`mixed_res/` of TomerRonen34/mixed_resolution_vit); Choudhury et al.,
/// [Accelerating Vision Transformers with Adaptive Patch Sizes](https://arxiv.org/abs/2510.18091)
/// (`src/models/entropy_utils.py`, `src/models/patch_tokenizer.py` of rccchoudhury/apt).
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, tokens, dim]`: largest patches first, row-major among patches of one size. `tokens` is
///   `roots + 3·splits`, the capacity under [`Selection::Threshold`], whose padding is zero at the end, in embedding,
///   box and count alike
/// - the grid is that of the smallest patches, and `counts` says how many of them a token covers
///
/// # Equation
///
/// `e = W·flatten(shrink(node)) + b`, with [`Shrink`] to the smallest patch; with `aggregate` also
/// `+ Z·conv₂ₓ₂(…E(sub-patches)…)` for large nodes, `Z` starting at zero (APT, eq. 2).
///
/// The search always splits the node with the largest score among those whose parent was split. Its first `n` splits
/// are found at once, level by level, by ordering the paths of scores from root to node: nothing is read back or
/// sorted. Of equal scores the larger and then the earlier node is split.
///
/// # Departures
///
/// Quadformer takes only images that its largest patch divides. Here the smallest patch must divide the image; where
/// a larger one would stick out, its children are roots, as APT has it by scoring such nodes 10⁶. The default scores
/// are Quadformer's baseline, the pixel blur; its network that scores features can be had by
/// [`forward_with_saliency`](QuadtreePatchEmbed::forward_with_saliency). APT packs images without padding; here a
/// batch is padded. Quadformer's and APT's positions are added elsewhere, by the boxes' centres.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{PatchEmbed, QuadtreePatchEmbedConfig, Selection};
///
/// let device = Device::flex();
/// let embed = QuadtreePatchEmbedConfig::new([4, 4], 1, 16)
///     .with_levels(3)
///     .with_selection(Selection::Splits { count: 2 })
///     .init(&device);
/// let tokens = embed.forward(Tensor::zeros([1, 1, 32, 32], &device));
/// assert_eq!(tokens.tokens(), 4 + 3 * 2);
/// let areas = tokens.boxes_px().slice_dim(2, 2..).prod_dim(2).sum();
/// assert_eq!(areas.into_scalar::<f32>(), 32.0 * 32.0);
/// ```
#[derive(Module, Debug)]
pub struct QuadtreePatchEmbed {
    /// The projection of every size, weight `[dim, channels, kh, kw]`.
    pub proj: Conv2d,
    /// Normalisation after it, with the config's epsilon.
    pub norm: Option<LayerNorm>,
    /// Joins two by two embeddings of sub-patches.
    pub patch_attn: Option<Conv2d>,
    /// What of the joined embeddings is added; starts at zero.
    pub zero_conv: Option<Linear>,
    #[module(skip)]
    settings: Settings,
}

#[derive(Debug, Clone, PartialEq)]
struct Settings {
    levels: usize,
    saliency: Saliency,
    selection: Selection,
    shrink: Shrink,
    norm: PatchNorm,
}

impl QuadtreePatchEmbedConfig {
    /// Patches of `stride` and twice that, half of the large ones split.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(stride, channels, dim)
    }

    /// A published configuration.
    pub fn preset(preset: QuadtreePreset, channels: usize, dim: usize) -> Self {
        let (levels, saliency, selection, aggregate) = preset.settings();
        Self::new([16, 16], channels, dim)
            .with_levels(levels)
            .with_saliency(saliency)
            .with_selection(selection)
            .with_aggregate(aggregate)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, channel count, dim, level count or histogram, [`Error::Range`] for too many
    /// levels, an empty histogram range, a share or threshold below zero, and [`Error::Shape`] for another number of
    /// thresholds than splittable levels.
    pub fn try_init(&self, device: &Device) -> Result<QuadtreePatchEmbed, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        nonzero("levels", &[self.levels])?;
        if self.levels > MAX_LEVELS {
            return Err(range(
                "levels",
                alloc::format!("at most {MAX_LEVELS}"),
                self.levels as f64,
            ));
        }
        self.saliency.check()?;
        self.selection.check(self.levels)?;
        let proj = Conv2dConfig::new([self.channels, self.dim], self.patch)
            .with_stride(self.patch)
            .with_bias(self.bias)
            .init(device);
        let join = || {
            let join = Conv2dConfig::new([self.dim, self.dim], [2, 2]);
            join.with_stride([2, 2]).init(device)
        };
        let zero = || {
            let zero = LinearConfig::new(self.dim, self.dim);
            zero.with_initializer(Initializer::Zeros).init(device)
        };
        Ok(QuadtreePatchEmbed {
            proj,
            norm: self.norm.init(self.dim, device),
            patch_attn: self.aggregate.then(join),
            zero_conv: self.aggregate.then(zero),
            settings: Settings {
                levels: self.levels,
                saliency: self.saliency,
                selection: self.selection.clone(),
                shrink: self.shrink,
                norm: self.norm,
            },
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    pub fn init(&self, device: &Device) -> QuadtreePatchEmbed {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

fn range(what: &'static str, expected: alloc::string::String, got: f64) -> Error {
    Error::Range {
        what,
        expected,
        got,
    }
}

impl Selection {
    fn check(&self, levels: usize) -> Result<(), Error> {
        let positive = |what, value: f64| {
            if value >= 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(range(what, "0 or more".into(), value))
        };
        match self {
            Self::Splits { .. } => Ok(()),
            Self::Share { of_roots } => positive("splits per coarsest node", *of_roots),
            Self::Threshold { thresholds, .. } => {
                if thresholds.len() != levels - 1 {
                    return Err(Error::Shape {
                        what: "thresholds (one per splittable level)",
                        expected: vec![levels - 1],
                        got: vec![thresholds.len()],
                    });
                }
                thresholds
                    .iter()
                    .try_for_each(|threshold| positive("threshold", *threshold))
            }
        }
    }

    /// The most splits that an image of this forest gets.
    fn splits(&self, forest: &Forest) -> Result<usize, Error> {
        let most = forest.splittable();
        let count = match self {
            Self::Splits { count } => *count,
            Self::Share { of_roots } => {
                let coarsest = forest.splittable_levels().first().map_or(0, Level::nodes);
                (of_roots * coarsest as f64).ceil() as usize
            }
            Self::Threshold { capacity: None, .. } => most,
            Self::Threshold {
                capacity: Some(capacity),
                ..
            } => {
                let roots = forest.roots();
                let room = capacity.checked_sub(roots).ok_or_else(|| {
                    let expected = alloc::format!("at least the {roots} roots");
                    range("capacity in tokens", expected, *capacity as f64)
                })?;
                most.min(room / 3)
            }
        };
        if count > most {
            let expected = alloc::format!("at most the {most} nodes that can be split");
            return Err(range("splits", expected, count as f64));
        }
        Ok(count)
    }
}

impl QuadtreePatchEmbed {
    /// As [`forward`](PatchEmbed::forward), with detail told by a map `[batch, 1, height, width]`: a node's score is
    /// the map's mean over it. Values below zero count as zero.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward), and if the map is not of the images' size.
    pub fn forward_with_saliency(&self, images: Tensor<4>, saliency: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, &images);
        let [batch, _, height, width] = images.dims();
        let (expected, got) = ([batch, 1, height, width], saliency.dims());
        assert_eq!(got, expected, "saliency map");
        let forest = self.forest(&grid);
        let scores = map_scores(saliency, &forest, &grid);
        self.embed(images, grid, &forest, &scores)
    }

    /// Scores of the nodes that can be split, `[batch, rows, cols]` per size, the largest first.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward).
    pub fn scores(&self, images: Tensor<4>) -> Vec<Tensor<3>> {
        let grid = expect_layout(self, &images);
        let [batch, ..] = images.dims();
        let forest = self.forest(&grid);
        let scores = self.settings.saliency.scores(images, &forest, &grid);
        let levels = forest.splittable_levels().iter();
        let scores = scores.into_iter().zip(levels);
        scores
            .map(|(score, level)| score.reshape([batch, level.rows, level.cols]))
            .collect()
    }

    fn forest(&self, grid: &PatchGrid) -> Forest {
        Forest::new([grid.rows, grid.cols], self.settings.levels)
    }

    fn embed(
        &self,
        images: Tensor<4>,
        grid: PatchGrid,
        forest: &Forest,
        scores: &[Tensor<2>],
    ) -> Tokens {
        let ([batch, ..], device) = (images.dims(), images.device());
        let leaves = match forest.splittable() {
            0 => forest.all(batch, &device),
            _ => self.leaves(forest, scores),
        };
        let index = leaves.index;

        let nodes = forest.nodes();
        let all = self.nodes(images, &grid, forest);
        let boxes = forest.boxes_px(&grid, &device).expand([batch, nodes, 4]);
        let counts = forest.cells(&device).expand([batch, nodes]);
        let embeddings = gather_rows(all, index.clone());
        let boxes = gather_rows(boxes, index.clone());
        let counts = counts.gather(1, index);
        if !self.is_ragged() {
            return Tokens::off_grid(embeddings, grid, boxes).with_counts(counts);
        }
        let there = leaves.there.clone().unsqueeze_dim::<3>(2);
        let shown = there.clone().cast(embeddings.dtype());
        Tokens::off_grid(embeddings * shown, grid, boxes * there)
            .with_counts(counts * leaves.there.clone())
            .with_valid(leaves.there.greater_elem(0.5))
    }

    fn is_ragged(&self) -> bool {
        matches!(self.settings.selection, Selection::Threshold { .. })
    }

    fn leaves(&self, forest: &Forest, scores: &[Tensor<2>]) -> Leaves {
        let selection = &self.settings.selection;
        let splits = selection.splits(forest);
        let splits = splits.unwrap_or_else(|error| panic!("{error}"));
        let split = match selection {
            Selection::Threshold { thresholds, .. } => {
                let levels = forest.splittable_levels().iter();
                let thresholds = levels.map(|level| thresholds[level.side.ilog2() as usize - 1]);
                forest.above(scores, &thresholds.collect::<Vec<_>>(), splits)
            }
            Selection::Share { .. } | Selection::Splits { .. } => forest.best_first(scores, splits),
        };
        forest.leaves(split, forest.roots() + 3 * splits)
    }

    /// The embeddings of all nodes, `[batch, nodes, dim]`: a third more than the smallest patches alone.
    fn nodes(&self, images: Tensor<4>, grid: &PatchGrid, forest: &Forest) -> Tensor<3> {
        let levels = forest.levels().iter().map(|level| {
            let shrunk = covered(images.clone(), level, grid.window.kernel);
            let shrunk = match self.settings.shrink {
                Shrink::Bilinear => middle(shrunk, level.side),
                Shrink::Area => area(shrunk, [level.side; 2]),
            };
            let [_, _, height, width] = shrunk.dims();
            let grid = grid.window.layout([height, width]);
            let grid = grid.unwrap_or_else(|error| panic!("{error}"));
            let tokens = project(&self.proj, shrunk, None, &grid);
            self.settings.norm.apply(self.norm.as_ref(), tokens)
        });
        let levels = levels.collect();
        Tensor::cat(self.aggregated(levels, forest), 1)
    }

    /// Adds to the large nodes what their smallest patches say.
    fn aggregated(&self, mut levels: Vec<Tensor<3>>, forest: &Forest) -> Vec<Tensor<3>> {
        let (Some(join), Some(zero)) = (&self.patch_attn, &self.zero_conv) else {
            return levels;
        };
        let finest = forest.levels()[levels.len() - 1];
        let cells = levels[levels.len() - 1].clone();
        let [batch, _, dim] = cells.dims();
        let mut map = to_map(cells, [batch, dim, finest.rows, finest.cols]);
        let pairs = Window::patch([2, 2], Remainder::Floor);
        for tokens in levels.iter_mut().rev().skip(1) {
            map = convolve(join, map, &pairs);
            *tokens = tokens.clone() + apply(zero, to_tokens(map.clone()));
        }
        levels
    }
}

impl PatchEmbed for QuadtreePatchEmbed {
    fn channels(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        let grid = Window::patch(self.proj.kernel_size, Remainder::Reject).layout(size)?;
        self.settings.selection.splits(&self.forest(&grid))?;
        Ok(grid)
    }

    fn tokens(&self, size: [usize; 2]) -> Result<usize, Error> {
        let forest = self.forest(&self.layout(size)?);
        Ok(forest.roots() + 3 * self.settings.selection.splits(&forest)?)
    }

    fn keeps_grid(&self) -> bool {
        false
    }

    fn forward(&self, images: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, &images);
        let forest = self.forest(&grid);
        let saliency = &self.settings.saliency;
        let scores = saliency.scores(images.clone(), &forest, &grid);
        self.embed(images, grid, &forest, &scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::LinearPatchEmbedConfig;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    fn random(size: [usize; 2]) -> Tensor<4> {
        let shape = [2, 3, size[0], size[1]];
        Tensor::random(shape, Distribution::Default, &Device::flex())
    }

    /// How often each pixel lies in a box, per image.
    fn covered_times(tokens: &Tokens, [height, width]: [usize; 2]) -> Vec<Vec<usize>> {
        let boxes = tokens
            .boxes_px()
            .into_data()
            .try_to_vec_as::<f32>()
            .unwrap();
        let images = boxes.chunks(4 * tokens.tokens());
        let count = |boxes: &[f32]| {
            let mut times = vec![0; height * width];
            for px in boxes.chunks(4) {
                let [top, left] = [px[0] - px[2] / 2.0, px[1] - px[3] / 2.0];
                for row in 0..px[2] as usize {
                    for col in 0..px[3] as usize {
                        times[(top as usize + row) * width + left as usize + col] += 1;
                    }
                }
            }
            times
        };
        images.map(count).collect()
    }

    #[rstest]
    #[case::whole([32, 48], 3, Selection::Splits { count: 5 })]
    #[case::rim([28, 28], 2, Selection::Share { of_roots: 0.5 })]
    #[case::rim_at_two_levels([28, 36], 3, Selection::Splits { count: 7 })]
    #[case::smaller_than_two_patches([4, 20], 3, Selection::Share { of_roots: 0.5 })]
    #[case::ragged([32, 28], 3, Selection::Threshold { thresholds: vec![0.0826, 0.083], capacity: None })]
    #[case::capacity([32, 32], 3, Selection::Threshold { thresholds: vec![0.0, 0.0], capacity: Some(30) })]
    fn boxes_tile_the_image_exactly(
        #[case] size: [usize; 2],
        #[case] levels: usize,
        #[case] selection: Selection,
    ) {
        let embed = QuadtreePatchEmbedConfig::new([4, 4], 3, 8)
            .with_levels(levels)
            .with_saliency(Saliency::Variance)
            .with_selection(selection)
            .init(&Device::flex());
        let tokens = embed.forward(random(size));
        assert_eq!(tokens.tokens(), embed.tokens(size).unwrap());
        let once = vec![vec![1; size[0] * size[1]]; 2];
        assert_eq!(covered_times(&tokens, size), once);
        let cells: f32 = tokens.counts().unwrap().sum().into_scalar();
        assert_eq!(cells as usize, 2 * size[0] * size[1] / 16);
    }

    #[test]
    fn tokens_are_the_roots_modulo_three() {
        for size in [[64, 64], [48, 80], [36, 28]] {
            for count in 0..5 {
                let embed = QuadtreePatchEmbedConfig::new([4, 4], 1, 4).with_levels(3);
                let tokens = |selection| {
                    let embed = embed.clone().with_selection(selection);
                    embed.init(&Device::flex()).tokens(size).unwrap()
                };
                let roots = tokens(Selection::Splits { count: 0 });
                assert_eq!(tokens(Selection::Splits { count }), roots + 3 * count);
            }
        }
    }

    #[test]
    fn all_nodes_split_are_the_patches_of_vit() {
        let device = Device::flex();
        let mut linear = LinearPatchEmbedConfig::new([4, 2], 3, 8).init(&device);
        let quadtree = QuadtreePatchEmbedConfig::new([4, 2], 3, 8)
            .with_selection(Selection::Splits { count: 6 })
            .init(&device);
        linear.proj = quadtree.proj.clone();
        let images = random([16, 12]);
        let (got, want) = (quadtree.forward(images.clone()), linear.forward(images));
        let boxes = want.boxes_px().expand([2, 24, 4]);
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.boxes_px()
            .into_data()
            .assert_approx_eq(&boxes.into_data(), tolerance);
        let (got, want) = (got.into_embeddings(), want.into_embeddings());
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[test]
    fn a_large_token_is_the_projection_of_its_mean() {
        let device = Device::flex();
        let quadtree = QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_aggregate(true);
        let quadtree = quadtree
            .with_selection(Selection::Splits { count: 0 })
            .init(&device);
        let mut linear = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
        linear.proj = quadtree.proj.clone();
        let images = random([16, 24]);
        let want = linear
            .forward(area(images.clone(), [2, 2]))
            .into_embeddings();
        let got = quadtree.forward(images).into_embeddings();
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[rstest]
    #[case(Saliency::Blur)]
    #[case(Saliency::Variance)]
    #[case(Saliency::APT)]
    fn a_uniform_image_keeps_its_roots(#[case] saliency: Saliency) {
        let embed = QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_levels(3);
        let thresholds = vec![0.01, 0.01];
        let selection = Selection::Threshold {
            thresholds,
            capacity: None,
        };
        let embed = embed.with_saliency(saliency).with_selection(selection);
        let embed = embed.init(&Device::flex());
        let tokens = embed.forward(random([32, 32]).zeros_like() + 0.5);
        let there = tokens.valid().unwrap().float().sum().into_scalar::<f32>();
        assert_eq!(there, 2.0 * 4.0);
        assert_eq!(tokens.tokens(), 64);
        let padding = tokens.embeddings().slice_dim(1, 4..).abs().sum();
        assert_eq!(padding.into_scalar::<f32>(), 0.0);
    }

    #[rstest]
    #[case(Saliency::Blur)]
    #[case(Saliency::Variance)]
    #[case(Saliency::Entropy { bins: 8, low: 0.0, high: 1.0 })]
    fn detail_gets_small_patches(#[case] saliency: Saliency) {
        let device = Device::flex();
        let embed = QuadtreePatchEmbedConfig::new([4, 4], 1, 8).with_levels(3);
        let embed = embed
            .with_saliency(saliency)
            .with_selection(Selection::Splits { count: 2 });
        let embed = embed.init(&device);
        // A checkerboard in the upper left 8 px of the second 16 px root.
        let mut pixels = vec![0.25f32; 32 * 32];
        for (row, col) in (0..8).flat_map(|row| (16..24).map(move |col| (row, col))) {
            pixels[row * 32 + col] = ((row + col) % 2) as f32;
        }
        let data = burn::tensor::TensorData::new(pixels, [1, 1, 32, 32]);
        let tokens = embed.forward(Tensor::from_data(data, &device));
        let boxes = tokens
            .boxes_px()
            .into_data()
            .try_to_vec_as::<f32>()
            .unwrap();
        let small: Vec<&[f32]> = boxes.chunks(4).filter(|px| px[2] == 4.0).collect();
        assert_eq!(small.len(), 4);
        for px in small {
            assert!(px[0] < 8.0 && (16.0..24.0).contains(&px[1]), "{px:?}");
        }
    }

    #[test]
    fn a_given_map_says_where_to_split() {
        let device = Device::flex();
        let embed = QuadtreePatchEmbedConfig::new([4, 4], 3, 8);
        let embed = embed
            .with_selection(Selection::Splits { count: 1 })
            .init(&device);
        let map = Tensor::zeros([2, 1, 16, 16], &device);
        let map = map.slice_assign(
            [0..2, 0..1, 9..10, 3..4],
            Tensor::ones([2, 1, 1, 1], &device),
        );
        let tokens = embed.forward_with_saliency(random([16, 16]), map);
        let first = tokens.boxes_px().slice([0..1, 3..4, 0..2]).into_data();
        first.assert_eq(&[[[10.0f32, 2.0]]].into(), true);
    }

    #[rstest]
    #[case::levels(QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_levels(17), "at most 16")]
    #[case::none(QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_levels(0), "levels must be at least 1")]
    #[case::patch(QuadtreePatchEmbedConfig::new([0, 4], 3, 8), "patch must be at least 1")]
    #[case::share(
        QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_selection(Selection::Share { of_roots: -0.5 }),
        "expected 0 or more, got -0.5"
    )]
    #[case::thresholds(
        QuadtreePatchEmbedConfig::new([4, 4], 3, 8)
            .with_selection(Selection::Threshold { thresholds: vec![1.0, 2.0], capacity: None }),
        "expected [1], got [2]"
    )]
    #[case::histogram(
        QuadtreePatchEmbedConfig::new([4, 4], 3, 8)
            .with_saliency(Saliency::Entropy { bins: 4, low: 1.0, high: 1.0 }),
        "more than the low end, 1"
    )]
    fn bad_configurations_are_errors(#[case] config: QuadtreePatchEmbedConfig, #[case] text: &str) {
        let error = alloc::format!("{}", config.try_init(&Device::flex()).unwrap_err());
        assert!(error.contains(text), "{error}");
    }

    #[rstest]
    #[case::splits(Selection::Splits { count: 5 }, [16, 16], "at most the 4 nodes that can be split, got 5")]
    #[case::capacity(
        Selection::Threshold { thresholds: vec![1.0], capacity: Some(3) },
        [16, 16],
        "at least the 4 roots, got 3"
    )]
    #[case::image(Selection::Splits { count: 0 }, [18, 16], "leaves [2, 0] px")]
    fn bad_images_are_errors(
        #[case] selection: Selection,
        #[case] size: [usize; 2],
        #[case] text: &str,
    ) {
        let config = QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_selection(selection);
        let error = config.init(&Device::flex()).layout(size).unwrap_err();
        let error = alloc::format!("{error}");
        assert!(error.contains(text), "{error}");
    }

    #[rstest]
    #[case(QuadtreePreset::Quadformer, [256, 256], 196)]
    #[case(QuadtreePreset::Apt, [224, 224], 196)]
    fn presets_have_their_numbers_of_tokens(
        #[case] preset: QuadtreePreset,
        #[case] size: [usize; 2],
        #[case] tokens: usize,
    ) {
        let embed = QuadtreePatchEmbedConfig::preset(preset, 3, 8).init(&Device::flex());
        assert_eq!(embed.tokens(size).unwrap(), tokens);
    }
}
