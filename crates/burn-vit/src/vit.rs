//! The vision transformer.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Bool, Device, Tensor};
use burn_patch::OrPanic;
use burn_patch::Tokens;
use burn_patch::embed::PatchEmbed;
use burn_patch::grid::PatchGrid;
use burn_patch::layers::{LayerNorm, LayerNormConfig, NORMAL, linear};
use burn_patch::position::{
    AnyPosition, LearnedPositionConfig, SinCosDialect, SinCosPositionConfig,
};
use burn_patch::reduce::{AnyReduce, AnyReduceConfig, TokenPool};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::layers::{Block, BlockConfig};

/// Class token, mask token and head at the start, as in MAE; timm's class token starts at `N(0, 10⁻⁶)`.
pub(crate) const TOKEN_INIT: Initializer = NORMAL;

/// Whether a class token stands before the patch tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ClassToken {
    /// A trained one.
    #[default]
    Learned,
    /// None.
    Absent,
}

/// What the head sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pooling {
    /// The class token.
    #[default]
    ClassToken,
    /// The mean of the patch tokens.
    Mean,
}

/// How tokens learn where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Position {
    /// A trained table, with a row for the class token.
    #[default]
    Learned,
    /// Fixed sines and cosines.
    SinCos(SinCosDialect),
}

impl Position {
    pub(crate) fn try_init(
        self,
        grid: &PatchGrid,
        prefix: usize,
        dim: usize,
        device: &Device,
    ) -> Result<AnyPosition, Error> {
        let cells = [grid.rows, grid.cols];
        Ok(match self {
            Self::Learned => {
                let config = LearnedPositionConfig::new(cells, dim).with_prefix(prefix);
                AnyPosition::Learned(config.try_init(device)?)
            }
            Self::SinCos(dialect) => {
                let config = SinCosPositionConfig::new(cells, dim).with_dialect(dialect);
                AnyPosition::SinCos(config.try_init(device)?)
            }
        })
    }
}

/// A reducer between two blocks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReduceAt {
    /// What reduces the patch tokens.
    pub reducer: AnyReduceConfig,
    /// The block that it stands before, from 0; PatchMerger's place is half the depth.
    pub before_block: usize,
}

impl ReduceAt {
    /// A reducer in the middle of `depth` blocks.
    pub fn middle(reducer: AnyReduceConfig, depth: usize) -> Self {
        Self {
            reducer,
            before_block: depth / 2,
        }
    }

    /// The module, for `depth` blocks over tokens of width `dim`.
    fn try_init(&self, depth: usize, dim: usize, device: &Device) -> Result<AnyReduce, Error> {
        if self.before_block >= depth {
            return Err(Error::ReduceBlock {
                depth,
                got: self.before_block,
            });
        }
        let reduce = self.reducer.try_init(device)?;
        let got = [reduce.dim(), reduce.output_dim()];
        if got != [dim; 2] {
            return Err(Error::ReduceWidth { dim, got });
        }
        Ok(reduce)
    }
}

/// Configuration of [`Vit`].
#[derive(Config, Debug)]
pub struct VitConfig {
    /// Image `[height, width]` in pixels.
    pub image: [usize; 2],
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads; divides the embedding's width.
    pub heads: usize,
    /// Classes of the head; none: no head, the pooled features come out.
    pub classes: Option<usize>,
    /// Class token.
    #[config(default = "ClassToken::Learned")]
    pub class_token: ClassToken,
    /// What the head sees.
    #[config(default = "Pooling::ClassToken")]
    pub pooling: Pooling,
    /// Positions.
    #[config(default = "Position::Learned")]
    pub position: Position,
    /// Width of the MLP over the width of the tokens.
    #[config(default = 4.0)]
    pub mlp_ratio: f64,
    /// Starting value of LayerScale; none: no LayerScale.
    pub layer_scale: Option<f64>,
    /// Stochastic depth of the last block; earlier blocks get linearly less, the first none.
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// Added to the variance in LayerNorm.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// Initialiser of the blocks' linear weights. Xavier as in MAE; timm's default is `N(0, 0.02)`.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub initializer: Initializer,
    /// Reduces the patch tokens between two blocks; none: all go through all blocks.
    pub reduce: Option<ReduceAt>,
}

/// Vision transformer over any patch embedding.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929);
/// `timm/models/vision_transformer.py` of timm 1.0.31, whose parameter names these are.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - logits `[batch, classes]`, or features `[batch, dim]` without a head
///
/// # Departures
///
/// The final norm comes before mean pooling, as in big_vision; timm pools first.
#[derive(Module, Debug)]
pub struct Vit<E: PatchEmbed> {
    /// Images to tokens.
    pub patch_embed: E,
    /// The class token, `[1, 1, dim]`.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// Positions.
    pub position: AnyPosition,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// Reduces the patch tokens between two blocks.
    pub reduce: Option<AnyReduce>,
    /// After the blocks.
    pub norm: LayerNorm,
    /// Classifier.
    pub head: Option<Linear>,
    #[module(skip)]
    pooling: Pooling,
    reduce_before: usize,
}

impl VitConfig {
    /// Builds the model around `embed`.
    ///
    /// # Errors
    ///
    /// If the embedding refuses the image size, heads do not divide the width, a rate is out of
    /// range, a class token is pooled that is not there, or a reducer does not fit.
    pub fn try_init<E: PatchEmbed>(&self, embed: E, device: &Device) -> Result<Vit<E>, Error> {
        let grid = embed.layout(self.image)?;
        let dim = embed.dim();
        let prefix = self.prefix();
        if self.pooling == Pooling::ClassToken && prefix == 0 {
            return Err(Error::NoClassToken);
        }
        let reduce = self.reduce.as_ref();
        let reducer = reduce
            .map(|reduce| reduce.try_init(self.depth, dim, device))
            .transpose()?;
        if !embed.keeps_grid() && reducer.as_ref().is_some_and(TokenPool::needs_grid) {
            return Err(Error::ReduceOffGrid);
        }
        let vit = Vit {
            patch_embed: embed,
            cls_token: (prefix > 0).then(|| TOKEN_INIT.init([1, 1, dim], device)),
            position: self.position.try_init(&grid, prefix, dim, device)?,
            blocks: (0..self.depth)
                .map(|index| self.block(index, dim).try_init(device))
                .collect::<Result<_, _>>()?,
            reduce: reducer,
            norm: LayerNormConfig::new(dim)
                .with_epsilon(self.epsilon)
                .init(device),
            head: None,
            pooling: self.pooling,
            reduce_before: reduce.map_or(0, |reduce| reduce.before_block),
        };
        Ok(match self.classes {
            Some(classes) => vit.with_head(classes, device),
            None => vit,
        })
    }

    /// Builds the model around `embed`.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init<E: PatchEmbed>(&self, embed: E, device: &Device) -> Vit<E> {
        self.try_init(embed, device).or_panic()
    }

    /// Tokens before the patch tokens.
    pub(crate) fn prefix(&self) -> usize {
        usize::from(self.class_token == ClassToken::Learned)
    }

    fn block(&self, index: usize, dim: usize) -> BlockConfig {
        BlockConfig::new(dim, self.heads)
            .with_mlp_ratio(self.mlp_ratio)
            .with_layer_scale(self.layer_scale)
            .with_drop_path(drop_rate(self.drop_path, index, self.depth))
            .with_epsilon(self.epsilon)
            .with_initializer(self.initializer.clone())
    }
}

impl<E: PatchEmbed> Vit<E> {
    /// Images to logits, or to pooled features where there is no head.
    ///
    /// # Panics
    ///
    /// If the images do not fit the embedding or the positions.
    #[track_caller]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let features = self.pool(&self.forward_features(images));
        match &self.head {
            Some(head) => head.forward(features),
            None => features,
        }
    }

    /// Images to encoded, normalised tokens.
    #[track_caller]
    pub fn forward_features(&self, images: Tensor<4>) -> Tokens {
        self.encode(self.patch_embed.forward(images))
    }

    /// Embedded patches to encoded, normalised tokens: class token and positions, blocks, norm. With a reducer the
    /// patch tokens are those that it leaves.
    #[track_caller]
    pub fn encode(&self, patches: Tokens) -> Tokens {
        let tokens = match &self.cls_token {
            Some(class) => patches.with_prefix(class.val()),
            None => patches,
        };
        let tokens = self.position.forward(tokens);
        let tokens = match &self.reduce {
            Some(reduce) => {
                let (before, after) = self.blocks.split_at(self.reduce_before);
                run_blocks(after, reduce.forward(run_blocks(before, tokens)))
            }
            None => run_blocks(&self.blocks, tokens),
        };
        tokens.map(|embeddings| self.norm.forward(embeddings))
    }

    /// What the head sees, `[batch, dim]`.
    pub fn pool(&self, tokens: &Tokens) -> Tensor<2> {
        match self.pooling {
            Pooling::ClassToken => tokens.embeddings().slice_dim(1, 0..1).squeeze_dim(1),
            Pooling::Mean => tokens.mean(),
        }
    }

    /// The same model with another DropPath, as [`VitConfig::drop_path`]: MAE pre-trains without and
    /// fine-tunes with it.
    ///
    /// # Errors
    ///
    /// [`Error::Rate`] for a rate outside `[0, 1)`.
    pub fn with_drop_path(mut self, rate: f64) -> Result<Self, Error> {
        let depth = self.blocks.len();
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.set_drop_path(drop_rate(rate, index, depth))?;
        }
        Ok(self)
    }

    /// The same encoder with a new head for `classes`.
    #[must_use]
    pub fn with_head(mut self, classes: usize, device: &Device) -> Self {
        let shape = [self.patch_embed.dim(), classes];
        let head = linear(shape, TOKEN_INIT, Some(Initializer::Zeros), device);
        self.head = Some(head);
        self
    }
}

/// DropPath's rate in a block: it grows evenly from 0 in the first to `rate` in the last.
fn drop_rate(rate: f64, index: usize, depth: usize) -> f64 {
    rate * index as f64 / depth.saturating_sub(1).max(1) as f64
}

/// Runs blocks over tokens, hiding padding.
pub(crate) fn run_blocks(blocks: &[Block], tokens: Tokens) -> Tokens {
    let valid = tokens
        .valid()
        .map(|valid| with_prefix_valid(valid, tokens.prefix()));
    tokens.map(|embeddings| {
        blocks.iter().fold(embeddings, |embeddings, block| {
            block.forward(embeddings, valid.clone())
        })
    })
}

fn with_prefix_valid(valid: Tensor<2, Bool>, prefix: usize) -> Tensor<2, Bool> {
    let [batch, _] = valid.dims();
    match prefix {
        0 => valid,
        _ => {
            let always = Tensor::<2>::ones([batch, prefix], &valid.device()).greater_elem(0.5);
            Tensor::cat(vec![always, valid], 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};
    use burn_patch::embed::{LinearPatchEmbedConfig, OverlapPatchEmbedConfig};
    use burn_patch::reduce::REDUCERS;

    #[test]
    fn class_token_pooling_without_one_is_an_error() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let config = VitConfig::new([8, 8], 1, 2).with_class_token(ClassToken::Absent);
        assert_eq!(
            config.try_init(embed, &device).unwrap_err(),
            Error::NoClassToken
        );
    }

    #[test]
    fn drop_path_can_be_set_later() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let vit = VitConfig::new([8, 8], 3, 2).init(embed, &device);
        let rates = |vit: &Vit<_>| vit.blocks.iter().map(Block::drop_path).collect::<Vec<_>>();
        assert_eq!(rates(&vit), [0.0; 3]);
        assert!(vit.clone().with_drop_path(1.5).is_err());
        assert_eq!(rates(&vit.with_drop_path(0.2).unwrap()), [0.0, 0.1, 0.2]);
    }

    #[test]
    fn image_size_that_does_not_fit_is_an_error() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let error = VitConfig::new([9, 8], 1, 2)
            .try_init(embed, &device)
            .unwrap_err();
        assert!(matches!(
            error,
            Error::Patch(burn_patch::Error::Remainder { .. })
        ));
    }

    #[test]
    fn padded_tokens_do_not_change_the_pooled_features() {
        let device = Device::flex();
        let embed = OverlapPatchEmbedConfig::new([3, 3], [2, 2], 1, 8).init(&device);
        let vit = VitConfig::new([4, 4], 2, 2)
            .with_pooling(Pooling::Mean)
            .init(embed, &device);
        let images = Tensor::random([1, 1, 4, 4], Distribution::Default, &device);
        let cells = Tensor::from_ints([[0, 1, 2]], &device);
        let short = vit.encode(vit.patch_embed.forward_visible(images.clone(), cells));
        let padded = Tensor::from_ints([[0, 1, 2, 3, 3]], &device);
        let valid = Tensor::from_bool([[true, true, true, false, false]], &device);
        let long = vit.encode(
            vit.patch_embed
                .forward_visible(images, padded)
                .with_valid(valid),
        );
        vit.pool(&long).into_data().assert_approx_eq(
            &vit.pool(&short).into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    fn reducing(name: &str, before_block: usize) -> VitConfig {
        VitConfig::new([8, 16], 3, 2).with_reduce(Some(ReduceAt {
            reducer: AnyReduceConfig::for_tokens(name, 3, 8).unwrap(),
            before_block,
        }))
    }

    #[test]
    fn a_reducer_leaves_its_tokens_behind_the_class_token() {
        let device = Device::flex();
        for info in REDUCERS {
            for before_block in 0..3 {
                let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
                let vit = reducing(info.name, before_block).init(embed, &device);
                let images = Tensor::random([2, 1, 8, 16], Distribution::Default, &device);
                let tokens = vit.forward_features(images);
                assert_eq!((tokens.prefix(), tokens.tokens()), (1, 3), "{}", info.name);
            }
        }
    }

    /// Run by hand, block after block.
    #[test]
    fn the_reducer_stands_before_its_block() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let config = reducing("patch-merger", 1).with_pooling(Pooling::Mean);
        let vit = config.init(embed, &device);
        let images = Tensor::random([2, 1, 8, 16], Distribution::Default, &device);
        let tokens = vit.patch_embed.forward(images.clone());
        let tokens = tokens.with_prefix(vit.cls_token.as_ref().unwrap().val());
        let tokens = run_blocks(&vit.blocks[..1], vit.position.forward(tokens));
        let tokens = vit.reduce.as_ref().unwrap().forward(tokens);
        let tokens = run_blocks(&vit.blocks[1..], tokens);
        let want = vit.norm.forward(tokens.patch_embeddings()).mean_dim(1);
        vit.forward(images).into_data().assert_approx_eq(
            &want.squeeze_dim::<2>(1).into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    #[test]
    fn a_reducer_that_does_not_fit_is_an_error() {
        let device = Device::flex();
        let error = |config: VitConfig, dim: usize| {
            let embed = LinearPatchEmbedConfig::new([4, 4], 1, dim).init(&device);
            config.try_init(embed, &device).unwrap_err()
        };
        let late = error(reducing("patch-merger", 3), 8);
        assert_eq!(late, Error::ReduceBlock { depth: 3, got: 3 });
        let wide = error(reducing("patch-merger", 1), 16);
        assert_eq!(
            wide,
            Error::ReduceWidth {
                dim: 16,
                got: [8, 8]
            }
        );
        let middle = ReduceAt::middle(AnyReduceConfig::for_tokens("query-pool", 3, 8).unwrap(), 12);
        assert_eq!(middle.before_block, 6);
    }
}
