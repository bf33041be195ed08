//! The vision transformer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_patch::OrPanic;
use burn_patch::embed::PatchEmbed;
use burn_patch::grid::PatchGrid;
use burn_patch::layers::LayerNormConfig;
use burn_patch::tokens::PlaceKind;
use burn_patch::{Noise, Tokens};

use crate::Error;
use crate::encoder::{EPSILON, Encoded, Encoder, EncoderInput, EncoderLayout};
use crate::head::{Head, HeadConfig, Pooling};
use crate::prefix::Prefix;
use crate::vit_config::VitConfig;

/// Vision transformer over any patch embedding.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929);
/// `timm/models/vision_transformer.py` of timm 1.0.31. Its names are ours below `patch_embed`, `prefix` and `encoder`,
/// but for `encoder.position`, which holds `pos_embed`, and `head.fc`, which is its `head`.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - logits `[batch, classes]`, or features `[batch, dim]` without classes
///
/// # Departures
///
/// With [`Pooling::Mean`] the final norm comes before the mean, as in big_vision; timm pools first, which is
/// [`Pooling::MeanBeforeNorm`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::LinearPatchEmbedConfig;
/// use burn_vit::{EncoderConfig, HeadConfig, Pooling, PrefixConfig, VitConfig};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([8, 8], 3, 32).init(&device);
/// let vit = VitConfig::new([32, 48], EncoderConfig::new(2, 4).with_drop_path(0.1))
///     .with_prefix(PrefixConfig::new().with_registers(4))
///     .with_head(HeadConfig::classes(10).with_pooling(Pooling::Mean))
///     .init(embed, &device);
/// assert_eq!(vit.layout([32, 48])?.attended, [24, 24]);
/// assert!(vit.layout([32, 32]).is_err()); // learned positions are those of one grid
/// assert_eq!(vit.forward(Tensor::zeros([1, 3, 32, 48], &device)).dims(), [1, 10]);
/// # Ok::<(), burn_vit::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Vit<E: PatchEmbed> {
    /// Images to tokens.
    pub patch_embed: E,
    /// Tokens in front of them.
    pub prefix: Prefix,
    /// The blocks.
    pub encoder: Encoder,
    /// Pooling and classifier.
    pub head: Head,
}

/// What a [`Vit`] makes of images of one size, without running.
#[derive(Debug, Clone, PartialEq)]
pub struct VitLayout {
    /// The embedding's grid.
    pub grid: PatchGrid,
    /// Prefix tokens.
    pub prefix: usize,
    /// Patch tokens in the attention of each block.
    pub attended: Vec<usize>,
    /// Patch tokens that come out.
    pub tokens: usize,
    /// Where those lie.
    pub places: PlaceKind,
}

impl VitConfig {
    /// Builds the model around `embed`.
    ///
    /// # Errors
    ///
    /// If the embedding refuses the image size, heads do not divide the width, a rate is out of
    /// range, a class token is pooled that is not there, or positions or a reducer do not fit.
    pub fn try_init<E: PatchEmbed>(&self, embed: E, device: &Device) -> Result<Vit<E>, Error> {
        if self.head.pooling == Pooling::ClassToken && !self.prefix.cls_token {
            return Err(Error::NoClassToken);
        }
        let input = input(&embed, self.image, self.prefix.count())?;
        let (dim, encoder) = (input.dim, &self.encoder);
        let norm = self.head.pooling != Pooling::MeanBeforeNorm;
        Ok(Vit {
            patch_embed: embed,
            prefix: self.prefix.init(dim, device),
            encoder: encoder.try_init(&input, norm, device)?,
            head: self
                .head
                .try_init(dim, encoder.heads, encoder.epsilon, device)?,
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
}

fn input<E: PatchEmbed>(embed: &E, size: [usize; 2], prefix: usize) -> Result<EncoderInput, Error> {
    Ok(EncoderInput {
        grid: embed.layout(size)?,
        places: embed.places(),
        tokens: embed.tokens(size)?,
        prefix,
        dim: embed.dim(),
    })
}

impl<E: PatchEmbed> Vit<E> {
    /// Images to logits, or to pooled features where there are no classes. For models whose parts draw nothing.
    ///
    /// # Panics
    ///
    /// With the text of [`layout`](Self::layout)'s error, if the channels differ, or if a part needs
    /// [noise](Self::forward_with).
    #[track_caller]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_with(images, Noise::None)
    }

    /// As [`forward`](Self::forward), for models whose parts draw: masks, dropped tokens.
    /// [`noise`](Self::noise) says how many values they need.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), or if there are too few values.
    #[track_caller]
    pub fn forward_with<'a>(&self, images: Tensor<4>, noise: impl Into<Noise<'a>>) -> Tensor<2> {
        self.head.forward(&self.forward_features(images, noise))
    }

    /// Images to encoded tokens.
    ///
    /// # Panics
    ///
    /// As [`forward_with`](Self::forward_with).
    #[track_caller]
    pub fn forward_features<'a>(&self, images: Tensor<4>, noise: impl Into<Noise<'a>>) -> Tokens {
        self.forward_taps(images, &[], noise).tokens
    }

    /// Images to encoded tokens, with those after the blocks `taps`, from 0, before the final norm.
    ///
    /// # Panics
    ///
    /// As [`forward_with`](Self::forward_with).
    #[track_caller]
    pub fn forward_taps<'a>(
        &self,
        images: Tensor<4>,
        taps: &[usize],
        noise: impl Into<Noise<'a>>,
    ) -> Encoded {
        let [_, _, height, width] = images.dims();
        self.layout([height, width]).or_panic();
        let tokens = self.prefix.forward(self.patch_embed.forward(images));
        self.encoder.forward(tokens, taps, &mut noise.into())
    }

    /// Embedded patches to encoded tokens: prefix and positions, blocks and reducers, norm.
    ///
    /// # Panics
    ///
    /// If positions cannot place the tokens, a reducer cannot take them, or there is too little noise.
    #[track_caller]
    pub fn encode<'a>(&self, patches: Tokens, noise: impl Into<Noise<'a>>) -> Encoded {
        let tokens = self.prefix.forward(patches);
        self.encoder.forward(tokens, &[], &mut noise.into())
    }

    /// What the model makes of images of `size` (`[height, width]` in pixels), without running.
    ///
    /// # Errors
    ///
    /// If the embedding refuses the size, positions cannot place the tokens, or a reducer cannot take them.
    pub fn layout(&self, size: [usize; 2]) -> Result<VitLayout, Error> {
        let input = self.input(size)?;
        let EncoderLayout {
            attended,
            tokens,
            places,
        } = self.encoder.layout(&input)?;
        Ok(VitLayout {
            grid: input.grid,
            prefix: input.prefix,
            attended,
            tokens,
            places,
        })
    }

    /// Values of noise that [`forward_with`](Self::forward_with) needs for `batch` images of `size`.
    ///
    /// # Errors
    ///
    /// Those of [`layout`](Self::layout).
    pub fn noise(&self, batch: usize, size: [usize; 2]) -> Result<usize, Error> {
        self.encoder.noise_from(batch, self.input(size)?.count())
    }

    fn input(&self, size: [usize; 2]) -> Result<EncoderInput, Error> {
        input(&self.patch_embed, size, self.prefix.count())
    }

    /// The same model with another DropPath, as [`EncoderConfig::drop_path`](crate::EncoderConfig::drop_path): MAE
    /// pre-trains without and fine-tunes with it.
    ///
    /// # Errors
    ///
    /// [`Error::Patch`] for a rate outside `[0, 1)`.
    pub fn with_drop_path(mut self, rate: f64) -> Result<Self, Error> {
        self.encoder.set_drop_path(rate)?;
        Ok(self)
    }

    /// The same encoder with a new head, and the final norm where that wants it: MAE pre-trains with the encoder's norm
    /// and fine-tunes with [`Pooling::MeanBeforeNorm`]. A norm that moves starts anew.
    ///
    /// # Errors
    ///
    /// [`Error::NoClassToken`] if a class token is to be pooled that is not there.
    pub fn with_head(mut self, head: &HeadConfig, device: &Device) -> Result<Self, Error> {
        if head.pooling == Pooling::ClassToken && self.prefix.cls_token.is_none() {
            return Err(Error::NoClassToken);
        }
        let (dim, heads, epsilon) = (self.patch_embed.dim(), self.encoder.heads(), self.epsilon());
        self.head = head.try_init(dim, heads, epsilon, device)?;
        self.encoder.norm = match head.pooling {
            Pooling::MeanBeforeNorm => None,
            _ => self.encoder.norm.or_else(|| {
                let norm = LayerNormConfig::new(dim).with_epsilon(epsilon);
                Some(norm.init(device))
            }),
        };
        Ok(self)
    }

    fn epsilon(&self) -> f64 {
        let last = self.encoder.blocks.last();
        last.map_or(EPSILON, |block| block.norm1.epsilon)
    }

    /// The same encoder with a new classifier for `classes`, behind the pooling that it has.
    #[must_use]
    pub fn with_classes(mut self, classes: usize, device: &Device) -> Self {
        self.head = self
            .head
            .with_classes(self.patch_embed.dim(), classes, device);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};
    use burn_patch::embed::{LinearPatchEmbedConfig, OverlapPatchEmbedConfig};
    use burn_patch::position::Position;
    use burn_patch::reduce::{AnyReduceConfig, REDUCERS, Reduce, Seen};
    use burn_patch::tokens::Attend;

    use crate::encoder::EncoderConfig;
    use crate::head::HeadConfig;
    use crate::layers::Block;
    use crate::prefix::PrefixConfig;
    use crate::reduce_at::{ReduceAt, Stage};

    #[test]
    fn class_token_pooling_without_one_is_an_error() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let config =
            VitConfig::new([8, 8], EncoderConfig::new(1, 2)).with_prefix(PrefixConfig::none());
        assert_eq!(
            config.try_init(embed, &device).unwrap_err(),
            Error::NoClassToken
        );
    }

    #[test]
    fn drop_path_can_be_set_later() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let vit = VitConfig::new([8, 8], EncoderConfig::new(3, 2)).init(embed, &device);
        let rates = |vit: &Vit<_>| {
            vit.encoder
                .blocks
                .iter()
                .map(Block::drop_path)
                .collect::<Vec<_>>()
        };
        assert_eq!(rates(&vit), [0.0; 3]);
        assert!(vit.clone().with_drop_path(1.5).is_err());
        assert_eq!(rates(&vit.with_drop_path(0.2).unwrap()), [0.0, 0.1, 0.2]);
    }

    #[test]
    fn image_size_that_does_not_fit_is_an_error() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let error = VitConfig::new([9, 8], EncoderConfig::new(1, 2))
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
        let vit = VitConfig::new([4, 4], EncoderConfig::new(2, 2))
            .with_head(HeadConfig::new().with_pooling(Pooling::Mean))
            .init(embed, &device);
        let images = Tensor::random([1, 1, 4, 4], Distribution::Default, &device);
        let cells = Tensor::from_ints([[0, 1, 2]], &device);
        let encode = |patches: Tokens| vit.encode(patches, Noise::None).tokens;
        let short = encode(vit.patch_embed.forward_visible(images.clone(), cells));
        let padded = Tensor::from_ints([[0, 1, 2, 3, 3]], &device);
        let valid = Tensor::from_bool([[true, true, true, false, false]], &device);
        let long = encode(
            vit.patch_embed
                .forward_visible(images, padded)
                .with_valid(valid),
        );
        vit.head.pool(&long).into_data().assert_approx_eq(
            &vit.head.pool(&short).into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    fn reducing(name: &str, stage: Stage) -> VitConfig {
        let reducer = AnyReduceConfig::for_tokens(name, 3, 8).unwrap();
        let encoder = EncoderConfig::new(3, 2).with_reducers(vec![ReduceAt { reducer, stage }]);
        VitConfig::new([8, 16], encoder)
    }

    #[test]
    fn a_reducer_leaves_its_tokens_behind_the_class_token() {
        let device = Device::flex();
        let noise: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let stages = (0..3).flat_map(|at| [Stage::BeforeBlock(at), Stage::AfterAttention(at)]);
        for (info, stage) in REDUCERS
            .iter()
            .flat_map(|info| stages.clone().map(move |at| (info, at)))
        {
            let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
            // Those that need the grid cannot stand behind one that picks, so each stands alone.
            let vit = reducing(info.name, stage).init(embed, &device);
            let images = Tensor::random([2, 1, 8, 16], Distribution::Default, &device);
            let tokens = vit.forward_features(images, &noise);
            let left = vit.layout([8, 16]).unwrap().tokens;
            assert!(left < 8, "{}", info.name);
            assert_eq!(
                (tokens.prefix(), tokens.tokens()),
                (1, left),
                "{} {stage:?}",
                info.name
            );
        }
    }

    /// Run by hand, block after block.
    #[test]
    fn the_reducer_stands_before_its_block() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let config = reducing("patch-merger", Stage::BeforeBlock(1));
        let config = config.with_head(HeadConfig::new().with_pooling(Pooling::Mean));
        let vit = config.init(embed, &device);
        let images = Tensor::random([2, 1, 8, 16], Distribution::Default, &device);
        let run = |block: &Block, tokens: Tokens| block.forward(tokens, &Attend::default(), None).0;
        let encoder = &vit.encoder;
        let tokens = vit.prefix.forward(vit.patch_embed.forward(images.clone()));
        let tokens = run(&encoder.blocks[0], encoder.position.add(tokens, 0));
        let tokens = encoder.reducers[0]
            .reduce(tokens, Seen::Tokens, 1, &mut Noise::None)
            .tokens;
        let tokens = encoder.blocks[1..]
            .iter()
            .fold(tokens, |tokens, block| run(block, tokens));
        let norm = encoder.norm.as_ref().unwrap();
        let want = norm.forward(tokens.patch_embeddings()).mean_dim(1);
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
        let late = error(reducing("patch-merger", Stage::BeforeBlock(3)), 8);
        assert_eq!(late, Error::ReduceBlock { depth: 3, got: 3 });
        let wide = error(reducing("patch-merger", Stage::BeforeBlock(1)), 16);
        assert!(
            matches!(wide, Error::Patch(burn_patch::Error::Shape { .. })),
            "{wide}"
        );
        let mut twice = reducing("query-pool", Stage::AfterAttention(1));
        twice
            .encoder
            .reducers
            .push(twice.encoder.reducers[0].clone());
        assert_eq!(error(twice, 8), Error::ReduceTwice { block: 1 });
        let mut moved = reducing("query-pool", Stage::BeforeBlock(1));
        moved.encoder.reducers.extend(
            reducing("token-learner-v1", Stage::BeforeBlock(2))
                .encoder
                .reducers,
        );
        let moved = error(moved, 8);
        assert!(
            matches!(moved, Error::Patch(burn_patch::Error::Irregular { .. })),
            "{moved}"
        );
        let middle = ReduceAt::middle(AnyReduceConfig::for_tokens("query-pool", 3, 8).unwrap(), 12);
        assert_eq!(middle.stage, Stage::BeforeBlock(6));
    }

    #[test]
    #[should_panic(expected = "a random mask needs 16 values of noise, got 0")]
    fn a_model_that_draws_says_so_without_noise() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let vit = reducing("random-mask", Stage::BeforeBlock(0)).init(embed, &device);
        vit.forward(Tensor::zeros([2, 1, 8, 16], &device));
    }

    #[test]
    #[should_panic(
        expected = "this position table cannot place [1, 2, 3]; expected a grid of [1, 2, 2]"
    )]
    fn another_image_size_is_refused_with_the_text_of_layout() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let vit = VitConfig::new([8, 8], EncoderConfig::new(1, 2)).init(embed, &device);
        let text = vit.layout([8, 12]).unwrap_err().to_string();
        assert!(text.contains("this position table cannot place"), "{text}");
        vit.forward(Tensor::zeros([1, 1, 8, 12], &device));
    }

    #[test]
    #[should_panic(expected = "taps: expected some of 1 blocks, counted from 0, got [1]")]
    fn a_tap_of_no_block_is_refused() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let vit = VitConfig::new([8, 8], EncoderConfig::new(1, 2)).init(embed, &device);
        vit.forward_taps(Tensor::zeros([1, 1, 8, 8], &device), &[1], Noise::None);
    }

    #[test]
    fn mean_before_norm_moves_the_norm_behind_the_mean() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let head = HeadConfig::new().with_pooling(Pooling::MeanBeforeNorm);
        let vit = VitConfig::new([8, 8], EncoderConfig::new(1, 2))
            .with_head(head)
            .init(embed, &device);
        assert!(vit.encoder.norm.is_none());
        let images = Tensor::random([2, 1, 8, 8], Distribution::Default, &device);
        let tokens = vit.forward_features(images.clone(), Noise::None);
        let want = vit.head.fc_norm.as_ref().unwrap().forward(tokens.mean());
        vit.forward(images)
            .into_data()
            .assert_eq(&want.into_data(), true);
    }
}
