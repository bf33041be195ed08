//! The transformer encoder.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_patch::layers::LayerNorm;
use burn_patch::position::{AnyPosition, BlockWindows, Position};
use burn_patch::reduce::{AnyReduce, Reduce, Reduced, Seen, Sees};
use burn_patch::tokens::{Attend, Layout, Restore};
use burn_patch::{Noise, Tokens};

use crate::Error;
use crate::encoder::count::Count;
use crate::encoder::drop_rate::drop_rate;
use crate::encoder::encoder_layout::{EncoderInput, EncoderLayout};
use crate::encoder::join::join;
use crate::encoder::taps::Taps;
use crate::encoder::way::Way;
use crate::layers::{Block, Inner};
use crate::reduce_at::Stage;

/// What [`Encoder::forward`] gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The tokens.
    pub tokens: Tokens,
    /// The way back to the tokens before all reducers; none where there were none, or where one leads back nowhere.
    pub restore: Option<Restore>,
    /// The tokens after each block asked for, in the order of the blocks; [`Tokens::to_feature_map`] makes a map of them.
    pub taps: Vec<Tokens>,
    /// The attention weights of each block asked for, `[batch, heads, queries, keys]`, prefix tokens included.
    pub attention: Vec<Tensor<4>>,
    /// The [scores](Reduced::scores) of the reducers that gave some, in their order, `[batch, tokens]` each.
    pub scores: Vec<Tensor<2>>,
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
    /// Positions within attention, besides those.
    pub position_within: Option<AnyPosition>,
    /// Before the blocks, behind positions.
    pub norm_pre: Option<LayerNorm>,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// What reduces the patch tokens.
    pub reducers: Vec<AnyReduce>,
    /// After the blocks.
    pub norm: Option<LayerNorm>,
    #[module(skip)]
    pub(crate) stages: Vec<Stage>,
    #[module(skip)]
    pub(crate) windows: Option<BlockWindows>,
}

impl Encoder {
    /// What it makes of such tokens without noise, without running. With noise, which is for training, a
    /// [`PatchDropout`](burn_patch::reduce::PatchDropout) leaves fewer tokens and a
    /// [`DynamicVit`](burn_patch::reduce::DynamicVit) all of them.
    ///
    /// # Errors
    ///
    /// If positions cannot place them or a reducer cannot take them.
    pub fn layout(&self, input: &EncoderInput) -> Result<EncoderLayout, Error> {
        let (mut count, mut places, mut grid) = (input.count(), input.places, input.grid);
        for position in self.positions() {
            position.check(&Layout::Same(input.grid), places, input.prefix)?;
        }
        let mut attended = Vec::with_capacity(self.blocks.len());
        for block in 0..self.blocks.len() {
            if self.position.adds(block) {
                self.position
                    .check(&Layout::Same(grid), places, input.prefix)?;
            }
            for stage in [Stage::BeforeBlock(block), Stage::AfterAttention(block)] {
                if let Stage::AfterAttention(_) = stage {
                    self.check_windows(block, input, places)?;
                    for position in self.positions().filter(|position| position.attends()) {
                        position.check(&Layout::Same(grid), places, input.prefix)?;
                    }
                    attended.push(count.tokens);
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
                    count = count.reduced(reduce, block)?;
                    places = reduce.places(places)?;
                    grid = count.grid.unwrap_or(grid);
                }
            }
        }
        Ok(EncoderLayout {
            attended,
            tokens: count.tokens,
            places,
        })
    }

    /// Values of noise that [`forward`](Self::forward) needs for `batch` images of `tokens` patch tokens each.
    ///
    /// # Errors
    ///
    /// If a reducer cannot take that many.
    pub fn noise(&self, batch: usize, tokens: usize) -> Result<usize, Error> {
        self.noise_from(batch, Count { tokens, grid: None })
    }

    /// As [`noise`](Self::noise), for what is known of tokens.
    pub(crate) fn noise_from(&self, batch: usize, mut count: Count) -> Result<usize, Error> {
        let (mut noise, mut changed) = (0, true);
        for block in 0..self.blocks.len() {
            for stage in [Stage::BeforeBlock(block), Stage::AfterAttention(block)] {
                if stage == Stage::AfterAttention(block) {
                    if changed || self.asks(block) {
                        let values = |position: &AnyPosition| position.noise(batch, count.tokens);
                        noise += self.positions().map(values).sum::<usize>();
                    }
                    changed = false;
                }
                for reduce in self.at(stage) {
                    noise += reduce.noise(batch, count.tokens);
                    count = count.reduced_with_noise(reduce, block)?;
                    changed = true;
                }
            }
        }
        Ok(noise)
    }

    /// Encodes. `taps` are the blocks, from 0, whose results are wanted too, or [`Taps`].
    ///
    /// # Panics
    ///
    /// With the text of [`layout`](Self::layout)'s error, if `noise` has too few values, or if there is no block that
    /// `taps` names.
    #[track_caller]
    pub fn forward(&self, tokens: Tokens, taps: impl Into<Taps>, noise: &mut Noise<'_>) -> Encoded {
        self.forward_placed(self.position.add(tokens, 0), taps, noise)
    }

    /// As [`forward`](Self::forward), for tokens that have what positions add before the first block: those of a
    /// [pack](burn_patch::pack), where it was added to each image.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    pub fn forward_placed(
        &self,
        tokens: Tokens,
        taps: impl Into<Taps>,
        noise: &mut Noise<'_>,
    ) -> Encoded {
        let blocks = self.blocks.len();
        let taps = taps.into();
        taps.check(blocks);
        let mut run = Run {
            tokens: match &self.norm_pre {
                Some(norm) => tokens.map(|embeddings| norm.forward(embeddings)),
                None => tokens,
            },
            attend: None,
            way: Way::Unchanged,
            scores: Vec::new(),
        };
        let mut tapped = Vec::with_capacity(taps.blocks.len());
        let mut attention = Vec::with_capacity(taps.attention.len());
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                run.tokens = self.position.add(run.tokens, index);
            }
            for reduce in self.at(Stage::BeforeBlock(index)) {
                let reduced = reduce.reduce(run.tokens.clone(), Seen::Tokens, index, noise);
                run.take(reduced);
            }
            let attend = match run.attend.take() {
                Some(attend) if !self.asks(index) => attend,
                _ => self.attend(&run.tokens, index, noise),
            };
            if taps.attention.contains(&index) {
                attention.push(block.attention(&run.tokens, &attend));
            }
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
            if taps.blocks.contains(&index) {
                tapped.push(run.tokens.clone());
            }
        }
        if taps.normed {
            tapped = tapped
                .into_iter()
                .map(|tokens| self.normed(tokens))
                .collect();
        }
        Encoded {
            tokens: self.normed(run.tokens),
            restore: run.way.into_restore(),
            taps: tapped,
            attention,
            scores: run.scores,
        }
    }

    fn normed(&self, tokens: Tokens) -> Tokens {
        match &self.norm {
            Some(norm) => tokens.map(|embeddings| norm.forward(embeddings)),
            None => tokens,
        }
    }

    /// What the attention of a block must know: the positions', the sizes where a reducer asks for proportional
    /// attention, and the tokens' policy.
    #[track_caller]
    fn attend(&self, tokens: &Tokens, block: usize, noise: &mut Noise<'_>) -> Attend {
        let attend = self.within(tokens, block, noise);
        let proportional = self.reducers.iter().any(Reduce::proportional);
        let sizes = tokens.log_sizes().filter(|_| proportional);
        let key_bias = match (attend.key_bias, sizes) {
            (Some(bias), Some(sizes)) => Some(sizes.cast(bias.dtype()) + bias),
            (bias, sizes) => bias.or(sizes),
        };
        let dtype = tokens.embeddings().dtype();
        Attend {
            key_bias: key_bias.map(|bias| bias.cast(dtype)),
            policy: tokens.policy_with_prefix(),
            ..attend
        }
    }

    /// What the encodings tell attention in block `index`.
    pub(crate) fn encoding(&self, tokens: &Tokens, index: usize, noise: &mut Noise<'_>) -> Attend {
        let attend = self.position.attend(tokens, index, noise);
        match &self.position_within {
            Some(within) => join(attend, within.attend(tokens, index, noise)),
            None => attend,
        }
    }

    /// The position encodings.
    fn positions(&self) -> impl Iterator<Item = &AnyPosition> {
        [&self.position].into_iter().chain(&self.position_within)
    }

    pub(crate) fn per_block(&self) -> bool {
        self.positions().any(Position::per_block)
    }

    /// The reducers at a stage.
    pub(crate) fn at(&self, stage: Stage) -> impl Iterator<Item = &AnyReduce> {
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

/// Tokens on their way through the blocks.
struct Run {
    tokens: Tokens,
    /// What attention knows of them; none where they changed.
    attend: Option<Attend>,
    way: Way,
    scores: Vec<Tensor<2>>,
}

impl Run {
    fn take(&mut self, reduced: Reduced) {
        self.tokens = reduced.tokens;
        self.attend = None;
        self.scores.extend(reduced.scores);
        self.way = core::mem::replace(&mut self.way, Way::Lost).then(reduced.restore);
    }
}

#[cfg(test)]
mod tests;
