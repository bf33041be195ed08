//! Mixed scales without learning: quadtrees that split where there is detail.

#[cfg(test)]
mod tests;

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::adaptive::forest::{Forest, Leaves};
use crate::embed::adaptive::saliency::{Saliency, area, covered, map_scores, middle};
use crate::embed::adaptive::selection::Selection;
use crate::embed::parts::patch_norm::{PatchNorm, normed};
use crate::embed::parts::projection::{convolve, project, to_map, to_tokens};
use crate::embed::parts::remade::{for_channels, for_patch};
use crate::embed::patch_embed::{PatchEmbed, expect_layout, select};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::{apply, linear};
use crate::ops::{Images, gather_rows};
use crate::or_panic::OrPanic;
use crate::resample::channels::ChannelMap;
use crate::resample::filter::Filter;
use crate::tokens::PlaceKind;
use crate::{Error, Tokens};

/// Levels beyond which a patch is larger than any image.
const MAX_LEVELS: usize = 16;

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
    /// Whether the embeddings of a large node's smallest patches are added to its own (APT), after one 2×2 convolution
    /// of stride 2 per level and a linear layer that starts at zero.
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
/// are Quadformer's baseline, the pixel blur; the scores of its network go into
/// [`forward_with_saliency`](QuadtreePatchEmbed::forward_with_saliency). APT packs images without padding; here a
/// batch is padded. Positions are no part of it: `position` adds them by the boxes' centres.
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
    /// Normalisation after it.
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
            return Err(Error::Range {
                what: "levels",
                expected: format!("at most {MAX_LEVELS}"),
                got: self.levels as f64,
            });
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
            let zeros = Initializer::Zeros;
            linear([self.dim; 2], zeros.clone(), Some(zeros), device)
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
            },
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> QuadtreePatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl QuadtreePatchEmbed {
    /// As [`forward`](PatchEmbed::forward), with detail told by a map `[batch, 1, height, width]`: a node's score is
    /// the map's mean over it. Values below zero count as zero.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward), and if the map is not of the images' size.
    #[track_caller]
    pub fn forward_with_saliency(&self, images: Tensor<4>, saliency: Tensor<4>) -> Tokens {
        let grid = expect_layout(self, images.dims());
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
    #[track_caller]
    pub fn scores(&self, images: Tensor<4>) -> Vec<Tensor<3>> {
        let grid = expect_layout(self, images.dims());
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
        let boxes = forest.boxes_px(&grid, &device);
        let counts = forest.cells(&device).expand([batch, nodes]);
        let embeddings = gather_rows(all, index.clone());
        let boxes = gather_rows(boxes, index.clone());
        let counts = counts.gather(1, index);
        if !self.is_ragged() {
            return Tokens::off_grid(embeddings, grid, boxes).with_sizes(counts);
        }
        let there = leaves.there.clone().unsqueeze_dim::<3>(2);
        let shown = there.clone().cast(embeddings.dtype());
        Tokens::off_grid(embeddings * shown, grid, boxes * there)
            .with_sizes(counts * leaves.there.clone())
            .with_valid(leaves.there.greater_elem(0.5))
    }

    fn is_ragged(&self) -> bool {
        matches!(self.settings.selection, Selection::Threshold { .. })
    }

    fn leaves(&self, forest: &Forest, scores: &[Tensor<2>]) -> Leaves {
        let selection = &self.settings.selection;
        let splits = selection.splits(forest);
        let splits = splits.or_panic();
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
            let grid = grid.or_panic();
            let tokens = project(&self.proj, shrunk, None, &grid);
            normed(&self.norm, tokens)
        });
        let levels = levels.collect();
        Tensor::cat(self.aggregated(levels, forest), 1)
    }

    /// Adds the joined embeddings of their smallest patches to the large nodes.
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

    fn places(&self) -> PlaceKind {
        PlaceKind::Boxes
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let images = images.into_floats(self.proj.weight.val().dtype());
        let forest = self.forest(&grid);
        let saliency = &self.settings.saliency;
        let scores = saliency.scores(images.clone(), &forest, &grid);
        select(self.embed(images, grid, &forest, &scores), cells)
    }

    fn with_patch_size_by(self, patch: [usize; 2], filter: Filter) -> Result<Self, Error> {
        let proj = for_patch(self.proj, patch, filter)?;
        Ok(Self { proj, ..self })
    }

    fn with_channels(self, map: &ChannelMap) -> Result<Self, Error> {
        let proj = for_channels(self.proj, map)?;
        Ok(Self { proj, ..self })
    }
}
