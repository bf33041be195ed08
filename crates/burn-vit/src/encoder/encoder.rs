//! The transformer encoder.

use burn::module::Module;
use burn_patch::layers::LayerNorm;
use burn_patch::position::{AnyPosition, BlockWindows, Position};
use burn_patch::reduce::{AnyReduce, Reduce, Reduced, Seen, Sees};
use burn_patch::tokens::{Attend, Layout, Restore};
use burn_patch::{Noise, Tokens};

use crate::Error;
use crate::encoder::count::Count;
use crate::encoder::drop_rate::drop_rate;
use crate::encoder::encoder_layout::{EncoderInput, EncoderLayout};
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
    pub(crate) stages: Vec<Stage>,
    #[module(skip)]
    pub(crate) windows: Option<BlockWindows>,
}

impl Encoder {
    /// What it makes of such tokens, without running.
    ///
    /// # Errors
    ///
    /// If positions cannot place them or a reducer cannot take them.
    pub fn layout(&self, input: &EncoderInput) -> Result<EncoderLayout, Error> {
        let (mut count, mut places) = (input.count(), input.places);
        self.position
            .check(&Layout::Same(input.grid), places, input.prefix)?;
        let mut attended = Vec::with_capacity(self.blocks.len());
        for block in 0..self.blocks.len() {
            if self.position.adds(block) {
                let layout = Layout::Same(input.grid);
                self.position.check(&layout, places, input.prefix)?;
            }
            for stage in [Stage::BeforeBlock(block), Stage::AfterAttention(block)] {
                if let Stage::AfterAttention(_) = stage {
                    self.check_windows(block, input, places)?;
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
                        noise += self.position.noise(batch, count.tokens);
                    }
                    changed = false;
                }
                for reduce in self.at(stage) {
                    noise += reduce.noise(batch, count.tokens);
                    count = count.reduced(reduce, block)?;
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
        self.forward_placed(self.position.add(tokens, 0), taps, noise)
    }

    /// As [`forward`](Self::forward), for tokens that have what positions add before the first block: those of a
    /// [pack](burn_patch::pack), where it was added to each image.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    pub fn forward_placed(&self, tokens: Tokens, taps: &[usize], noise: &mut Noise<'_>) -> Encoded {
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
}

impl Run {
    fn take(&mut self, reduced: Reduced) {
        self.tokens = reduced.tokens;
        self.attend = None;
        self.way = core::mem::replace(&mut self.way, Way::Lost).then(reduced.restore);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use burn_patch::tokens::PlaceKind;

    use crate::encoder::encoder_config::EncoderConfig;
    use crate::reduce_at::ReduceAt;
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
}
