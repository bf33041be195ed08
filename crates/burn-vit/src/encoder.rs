//! The transformer encoder.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::Device;
use burn_patch::grid::PatchGrid;
use burn_patch::layers::{LayerNorm, LayerNormConfig, XAVIER};
use burn_patch::position::{AnyPosition, AnyPositionConfig, Position, Site};
use burn_patch::reduce::{AnyReduce, Reduce, Reduced, Seen, Sees};
use burn_patch::tokens::{Attend, Layout, PlaceKind, Restore};
use burn_patch::{Noise, Tokens};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::layers::{Block, BlockConfig, Inner};
use crate::reduce_at::{ReduceAt, Stage};
use crate::setters::setters;

/// Configuration of [`Encoder`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads; divides the width of the tokens.
    pub heads: usize,
    /// Width of the MLP over the width of the tokens.
    #[serde(default = "mlp_ratio")]
    pub mlp_ratio: f64,
    /// Starting value of LayerScale; none: no LayerScale.
    #[serde(default)]
    pub layer_scale: Option<f64>,
    /// Stochastic depth of the last block; earlier blocks get linearly less, the first none.
    #[serde(default)]
    pub drop_path: f64,
    /// Added to the variance in LayerNorm.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Initialiser of the blocks' linear weights. Xavier as in MAE; timm's default is `N(0, 0.02)`.
    #[serde(default = "xavier")]
    pub initializer: Initializer,
    /// Positions.
    #[serde(default)]
    pub position: AnyPositionConfig,
    /// What reduces the patch tokens, and where.
    #[serde(default)]
    pub reducers: Vec<ReduceAt>,
}

fn mlp_ratio() -> f64 {
    4.0
}

/// timm's epsilon of a ViT's norms.
pub(crate) const EPSILON: f64 = 1e-6;

fn epsilon() -> f64 {
    EPSILON
}

fn xavier() -> Initializer {
    XAVIER
}

impl Config for EncoderConfig {}

impl EncoderConfig {
    /// `depth` blocks of `heads` attention heads, learned positions.
    pub fn new(depth: usize, heads: usize) -> Self {
        Self {
            depth,
            heads,
            mlp_ratio: mlp_ratio(),
            layer_scale: None,
            drop_path: 0.0,
            epsilon: epsilon(),
            initializer: XAVIER,
            position: AnyPositionConfig::default(),
            reducers: Vec::new(),
        }
    }

    /// Builds the module for such tokens, with a norm at the end if `norm` says so.
    ///
    /// # Errors
    ///
    /// If heads do not divide the width, a rate is out of range, or positions or a reducer do not fit.
    pub fn try_init(
        &self,
        input: &EncoderInput,
        norm: bool,
        device: &Device,
    ) -> Result<Encoder, Error> {
        let dim = input.dim;
        self.check_stages()?;
        let site = Site::over(&input.grid, dim)
            .with_prefix(input.prefix)
            .with_blocks(self.depth, self.heads);
        let reducers = self
            .reducers
            .iter()
            .map(|at| at.try_init(self.depth, device));
        let encoder = Encoder {
            position: self.position.try_init(&site, device)?,
            blocks: (0..self.depth)
                .map(|index| self.block(index, dim).try_init(device))
                .collect::<Result<_, _>>()?,
            reducers: reducers.collect::<Result<_, _>>()?,
            norm: norm.then(|| {
                LayerNormConfig::new(dim)
                    .with_epsilon(self.epsilon)
                    .init(device)
            }),
            stages: self.reducers.iter().map(|at| at.stage).collect(),
        };
        encoder.layout(input)?;
        Ok(encoder)
    }

    /// Behind the attention of a block there is room for one.
    fn check_stages(&self) -> Result<(), Error> {
        let inner = self.reducers.iter().enumerate();
        for (index, at) in inner.filter(|(_, at)| matches!(at.stage, Stage::AfterAttention(_))) {
            if self.reducers[..index]
                .iter()
                .any(|other| other.stage == at.stage)
            {
                return Err(Error::ReduceTwice {
                    block: at.stage.block(),
                });
            }
        }
        Ok(())
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

setters!(EncoderConfig {
    /// The width of the MLP over the width of the tokens.
    with_mlp_ratio: mlp_ratio, f64;
    /// The starting value of LayerScale; none: no LayerScale.
    with_layer_scale: layer_scale, Option<f64>;
    /// Stochastic depth of the last block.
    with_drop_path: drop_path, f64;
    /// What is added to the variance in LayerNorm.
    with_epsilon: epsilon, f64;
    /// The initialiser of the blocks' linear weights.
    with_initializer: initializer, Initializer;
    /// Positions.
    with_position: position, AnyPositionConfig;
    /// What reduces the patch tokens, and where.
    with_reducers: reducers, Vec<ReduceAt>;
});

/// What comes into an encoder, as far as it is known without an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderInput {
    /// The grid that the tokens come from.
    pub grid: PatchGrid,
    /// Where they lie.
    pub places: PlaceKind,
    /// Patch tokens per image.
    pub tokens: usize,
    /// Prefix tokens.
    pub prefix: usize,
    /// Width of the tokens.
    pub dim: usize,
}

/// What an encoder makes of its input, without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderLayout {
    /// Patch tokens in the attention of each block.
    pub attended: Vec<usize>,
    /// Patch tokens that come out.
    pub tokens: usize,
    /// Where those lie.
    pub places: PlaceKind,
}

/// What [`Encoder::forward`] gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The tokens.
    pub tokens: Tokens,
    /// The way back to the tokens before all reducers; none where there were none, or where one leads back nowhere.
    pub restore: Option<Restore>,
    /// The tokens after each block asked for, in the order of the blocks, before the encoder's norm.
    pub taps: Vec<Tokens>,
}

/// Transformer blocks, with positions before and within them and reducers between or inside them.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929), eq. 1 to 4.
///
/// # Shapes
///
/// - input: tokens `[batch, prefix + tokens, dim]`
/// - output: the same, or as many patch tokens as reducers leave
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::tokens::PlaceKind;
/// use burn_vit::{EncoderConfig, EncoderInput};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let grid = embed.layout([8, 12])?;
/// let input = EncoderInput { grid, places: PlaceKind::Cells, tokens: 6, prefix: 0, dim: 8 };
/// let encoder = EncoderConfig::new(3, 2).try_init(&input, true, &device)?;
///
/// let tokens = embed.forward(Tensor::zeros([1, 1, 8, 12], &device));
/// let encoded = encoder.forward(tokens, &[0, 2], &mut Noise::None);
/// assert_eq!(encoded.tokens.embeddings().dims(), [1, 6, 8]);
/// assert_eq!(encoded.taps.len(), 2);
/// # Ok::<(), burn_vit::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Encoder {
    /// Positions.
    pub position: AnyPosition,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// What reduces the patch tokens.
    pub reducers: Vec<AnyReduce>,
    /// After the blocks.
    pub norm: Option<LayerNorm>,
    #[module(skip)]
    stages: Vec<Stage>,
}

impl Encoder {
    /// What it makes of such tokens, without running.
    ///
    /// # Errors
    ///
    /// If positions cannot place them or a reducer cannot take them.
    pub fn layout(&self, input: &EncoderInput) -> Result<EncoderLayout, Error> {
        let (mut tokens, mut places) = (input.tokens, input.places);
        self.position
            .check(&Layout::Same(input.grid), places, input.prefix)?;
        let mut attended = Vec::with_capacity(self.blocks.len());
        for block in 0..self.blocks.len() {
            for stage in [Stage::BeforeBlock(block), Stage::AfterAttention(block)] {
                if let Stage::AfterAttention(_) = stage {
                    attended.push(tokens);
                }
                for reduce in self.at(stage) {
                    if reduce.sees() == Sees::ClassScores && input.prefix == 0 {
                        return Err(Error::NoClassToken);
                    }
                    let width = reduce.width(input.dim)?;
                    if width != input.dim {
                        return Err(Error::ReducedWidth {
                            expected: input.dim,
                            got: width,
                        });
                    }
                    tokens = reduce.output(tokens, block)?;
                    places = reduce.places(places)?;
                }
            }
        }
        Ok(EncoderLayout {
            attended,
            tokens,
            places,
        })
    }

    /// Values of noise that [`forward`](Self::forward) needs for `batch` images of `tokens` patch tokens each.
    ///
    /// # Errors
    ///
    /// If a reducer cannot take that many.
    pub fn noise(&self, batch: usize, mut tokens: usize) -> Result<usize, Error> {
        let (mut noise, mut changed) = (0, true);
        for block in 0..self.blocks.len() {
            for stage in [Stage::BeforeBlock(block), Stage::AfterAttention(block)] {
                if stage == Stage::AfterAttention(block) {
                    if changed || self.position.per_block() {
                        noise += self.position.noise(batch, tokens);
                    }
                    changed = false;
                }
                for reduce in self.at(stage) {
                    noise += reduce.noise(batch, tokens);
                    tokens = reduce.output(tokens, block)?;
                    changed = true;
                }
            }
        }
        Ok(noise)
    }

    /// Encodes. `taps` are the blocks, from 0, whose results are wanted too.
    ///
    /// # Panics
    ///
    /// With the text of [`layout`](Self::layout)'s error, if `noise` has too few values, or if there is no block that
    /// `taps` names.
    #[track_caller]
    pub fn forward(&self, tokens: Tokens, taps: &[usize], noise: &mut Noise<'_>) -> Encoded {
        let blocks = self.blocks.len();
        assert!(
            taps.iter().all(|tap| *tap < blocks),
            "taps: expected some of {blocks} blocks, counted from 0, got {taps:?}"
        );
        let mut run = Run {
            tokens,
            attend: None,
            way: Way::Unchanged,
        };
        let mut tapped = Vec::with_capacity(taps.len());
        for (index, block) in self.blocks.iter().enumerate() {
            run.tokens = self.position.add(run.tokens, index);
            for reduce in self.at(Stage::BeforeBlock(index)) {
                let reduced = reduce.reduce(run.tokens.clone(), Seen::Tokens, index, noise);
                run.take(reduced);
            }
            let attend = match run.attend.take() {
                Some(attend) if !self.position.per_block() => attend,
                _ => self.position.attend(&run.tokens, index, noise),
            };
            let reduce = self.at(Stage::AfterAttention(index)).next();
            let inner = reduce.map(|reduce| Inner {
                reduce,
                block: index,
                noise,
            });
            let (tokens, reduced) = block.forward(run.tokens.clone(), &attend, inner);
            match reduced {
                None => (run.tokens, run.attend) = (tokens, Some(attend)),
                Some(reduced) => run.take(Reduced { tokens, ..reduced }),
            }
            if taps.contains(&index) {
                tapped.push(run.tokens.clone());
            }
        }
        let tokens = match &self.norm {
            Some(norm) => run.tokens.map(|embeddings| norm.forward(embeddings)),
            None => run.tokens,
        };
        Encoded {
            tokens,
            restore: run.way.into_restore(),
            taps: tapped,
        }
    }

    /// The reducers at a stage.
    fn at(&self, stage: Stage) -> impl Iterator<Item = &AnyReduce> {
        let reducers = self.reducers.iter().zip(&self.stages);
        reducers
            .filter(move |(_, at)| **at == stage)
            .map(|(reduce, _)| reduce)
    }

    /// Attention heads of a block; 1 where there is none.
    pub(crate) fn heads(&self) -> usize {
        self.blocks.first().map_or(1, |block| block.attn.heads())
    }

    pub(crate) fn set_drop_path(&mut self, rate: f64) -> Result<(), Error> {
        let depth = self.blocks.len();
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.set_drop_path(drop_rate(rate, index, depth))?;
        }
        Ok(())
    }
}

/// DropPath's rate in a block: it grows evenly from 0 in the first to `rate` in the last.
fn drop_rate(rate: f64, index: usize, depth: usize) -> f64 {
    rate * index as f64 / depth.saturating_sub(1).max(1) as f64
}

/// Tokens on their way through the blocks.
struct Run {
    tokens: Tokens,
    /// What attention knows of them; none where they changed.
    attend: Option<Attend>,
    way: Way,
}

impl Run {
    fn take(&mut self, reduced: Reduced) {
        self.tokens = reduced.tokens;
        self.attend = None;
        self.way = core::mem::replace(&mut self.way, Way::Lost).then(reduced.restore);
    }
}

/// The way back to the first tokens.
enum Way {
    Unchanged,
    Back(Restore),
    Lost,
}

impl Way {
    fn then(self, next: Option<Restore>) -> Self {
        match (self, next) {
            (Self::Unchanged, Some(next)) => Self::Back(next),
            (Self::Back(restore), Some(next)) => Self::Back(restore.then(next)),
            (_, None) | (Self::Lost, _) => Self::Lost,
        }
    }

    fn into_restore(self) -> Option<Restore> {
        match self {
            Self::Back(restore) => Some(restore),
            Self::Unchanged | Self::Lost => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tensor, Tolerance};
    use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
    use burn_patch::reduce::{AnyReduceConfig, RandomMaskConfig};

    fn input() -> EncoderInput {
        let grid = burn_patch::grid::Window::patch([4, 4], Default::default());
        let grid = grid.layout([8, 16]).unwrap();
        EncoderInput {
            grid,
            places: PlaceKind::Cells,
            tokens: 8,
            prefix: 0,
            dim: 8,
        }
    }

    fn tokens(device: &Device) -> Tokens {
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(device);
        embed.forward(Tensor::random([2, 1, 8, 16], Distribution::Default, device))
    }

    fn masks(stages: &[Stage]) -> EncoderConfig {
        let mask = AnyReduceConfig::RandomMask(RandomMaskConfig::new(0.5));
        let at = stages.iter().map(|stage| ReduceAt {
            reducer: mask.clone(),
            stage: *stage,
        });
        EncoderConfig::new(3, 2).with_reducers(at.collect())
    }

    #[test]
    fn masks_one_after_another_lead_back_in_one_step() {
        let device = Device::flex();
        let config = masks(&[Stage::BeforeBlock(0), Stage::AfterAttention(2)]);
        let encoder = config.try_init(&input(), false, &device).unwrap();
        let layout = encoder.layout(&input()).unwrap();
        assert_eq!(layout.attended, [4, 4, 4]);
        assert_eq!((layout.tokens, layout.places), (2, PlaceKind::Picked));
        assert_eq!(encoder.noise(2, 8).unwrap(), 24);

        let noise: Vec<f32> = (0..24).map(|i| (i * 7 % 24) as f32).collect();
        let encoded = encoder.forward(tokens(&device), &[1], &mut Noise::from(&noise));
        assert_eq!(encoded.taps[0].tokens(), 4);
        let restored = encoded.restore.unwrap().apply(encoded.tokens, None);
        assert_eq!((restored.tokens(), restored.is_whole_grid()), (8, true));
        let rows = restored.embeddings().abs().sum_dim(2).greater_elem(0.0);
        let kept = rows.int().sum_dim(1).into_data().convert::<i64>();
        kept.assert_eq(&[[[2i64]], [[2]]].into(), true);
    }

    #[test]
    fn a_pool_leads_back_nowhere() {
        let device = Device::flex();
        let pool = AnyReduceConfig::for_tokens("query-pool", 3, 8).unwrap();
        let config = EncoderConfig::new(2, 2).with_reducers(vec![ReduceAt::middle(pool, 2)]);
        let encoder = config.try_init(&input(), true, &device).unwrap();
        let encoded = encoder.forward(tokens(&device), &[], &mut Noise::None);
        assert!(encoded.restore.is_none());
        assert_eq!(encoded.tokens.tokens(), 3);
    }

    #[test]
    fn the_last_tap_normalised_is_the_result() {
        let device = Device::flex();
        let encoder = EncoderConfig::new(2, 2)
            .try_init(&input(), true, &device)
            .unwrap();
        let encoded = encoder.forward(tokens(&device), &[1], &mut Noise::None);
        let norm = encoder.norm.as_ref().unwrap();
        let want = norm.forward(encoded.taps[0].embeddings());
        encoded
            .tokens
            .into_embeddings()
            .into_data()
            .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn a_file_of_a_config_loads_and_missing_settings_are_the_defaults() {
        let config: EncoderConfig = serde_json::from_str(r#"{"depth": 2, "heads": 4}"#).unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", EncoderConfig::new(2, 4))
        );
        let text = serde_json::to_string(&masks(&[Stage::BeforeBlock(1)])).unwrap();
        let back: EncoderConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(
            format!("{back:?}"),
            format!("{:?}", masks(&[Stage::BeforeBlock(1)]))
        );
    }
}
