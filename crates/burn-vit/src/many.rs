//! Images of different sizes through one ViT: padded to the longest, or several in a row.

use burn::tensor::Tensor;
use burn_patch::embed::PatchEmbed;
use burn_patch::pack::{BySize, Packed, Packer};
use burn_patch::position::Position;
use burn_patch::{Noise, OrPanic, Tokens};

use crate::Error;
use crate::vit::Vit;

impl<E: PatchEmbed> Vit<E> {
    /// Tokens of a list of images of any sizes, each `[channels, height, width]`: embedded, behind the prefix, with what
    /// positions add before the first block.
    ///
    /// # Errors
    ///
    /// For an empty list, if the channels differ, or if the embedding refuses a size or positions cannot place it.
    pub fn embed_by_size(&self, images: &[Tensor<3>]) -> Result<BySize, Error> {
        let tokens = BySize::embed(&self.patch_embed, images)?;
        let tokens = tokens.map(|tokens| self.prefix.forward(tokens))?;
        for tokens in tokens.batches() {
            self.check(tokens)?;
        }
        Ok(tokens.map(|tokens| self.encoder.position.add(tokens, 0))?)
    }

    /// The same as packs: several images in a row.
    ///
    /// # Errors
    ///
    /// Those of [`embed_by_size`](Self::embed_by_size) and of [`Packer::plan`], [`Error::PackedReducers`] for an encoder
    /// with reducers, [`Error::PackedPositions`] for positions that [do not take packs](Position::packs), and if they
    /// cannot place these.
    pub fn pack(&self, images: &[Tensor<3>], packer: &Packer) -> Result<Vec<Packed>, Error> {
        if !self.encoder.reducers.is_empty() {
            return Err(Error::PackedReducers {
                got: self.encoder.reducers.len(),
            });
        }
        if !self.encoder.position.packs() {
            return Err(Error::PackedPositions);
        }
        let packs = packer.pack(&self.embed_by_size(images)?)?;
        for pack in &packs {
            self.check(pack.tokens())?;
        }
        Ok(packs)
    }

    /// Images of any sizes to logits (or features), `[images, classes]` in the order of the list: packed, so that
    /// attention costs `Σ n²`.
    ///
    /// Dehghani et al., [Patch n' Pack](https://arxiv.org/abs/2307.06304) (NaViT). The same as
    /// [`forward`](Self::forward) of each image alone. While training, [DropPath](crate::layers::DropPath) drops a
    /// branch for a whole row.
    ///
    /// # Panics
    ///
    /// With the text of [`pack`](Self::pack)'s error, or if a part needs noise and there is too little.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::embed::LinearPatchEmbedConfig;
    /// use burn_patch::pack::Packer;
    /// use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
    /// use burn_patch::Noise;
    /// use burn_vit::{EncoderConfig, HeadConfig, VitConfig};
    ///
    /// let device = Device::flex();
    /// let embed = LinearPatchEmbedConfig::new([8, 8], 3, 32).init(&device);
    /// let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
    /// let vit = VitConfig::new([32, 32], EncoderConfig::new(2, 4).with_position(position))
    ///     .with_head(HeadConfig::classes(10))
    ///     .init(embed, &device);
    /// let images = [[32, 48], [16, 16], [24, 40]].map(|[height, width]| Tensor::zeros([3, height, width], &device));
    /// let logits = vit.forward_packed(&images, &Packer::new(32), Noise::None);
    /// assert_eq!(logits.dims(), [3, 10]);
    /// assert!(vit.pack(&images, &Packer::new(24)).is_err()); // the first has 24 patches and a class token
    /// ```
    #[track_caller]
    pub fn forward_packed<'a>(
        &self,
        images: &[Tensor<3>],
        packer: &Packer,
        noise: impl Into<Noise<'a>>,
    ) -> Tensor<2> {
        let packs = self.pack(images, packer).or_panic();
        let mut noise = noise.into();
        let encoded = packs.iter().map(|pack| {
            let tokens = pack.tokens().clone();
            let encoded = self.encoder.forward_placed(tokens, &[], &mut noise);
            let pack = pack
                .clone()
                .with_embeddings(encoded.tokens.into_embeddings());
            self.head.forward(&pack.unpack())
        });
        let values = encoded.collect();
        Packed::in_order(&packs, values)
    }

    /// As [`forward_packed`](Self::forward_packed), each image in a row of its own, padded to the longest (NaFlex).
    ///
    /// # Panics
    ///
    /// With the text of [`embed_by_size`](Self::embed_by_size)'s error, if positions cannot place the batch, or if a
    /// part needs noise and there is too little.
    #[track_caller]
    pub fn forward_padded<'a>(
        &self,
        images: &[Tensor<3>],
        noise: impl Into<Noise<'a>>,
    ) -> Tensor<2> {
        let tokens = self.embed_by_size(images).or_panic().padded();
        self.check(&tokens).or_panic();
        let encoded = self.encoder.forward_placed(tokens, &[], &mut noise.into());
        self.head.forward(&encoded.tokens)
    }

    /// Whether positions can place such tokens.
    fn check(&self, tokens: &Tokens) -> Result<(), Error> {
        let position = &self.encoder.position;
        Ok(position.check(tokens.layout(), tokens.places().kind(), tokens.prefix())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EncoderConfig, HeadConfig, Pooling, PrefixConfig, ReduceAt, VitConfig};
    use burn::tensor::{Device, Distribution, Tolerance};
    use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig};
    use burn_patch::pack::Overflow;
    use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
    use burn_patch::reduce::AnyReduceConfig;
    use burn_patch::tokens::{Attend, Rotation, RotationPairs, Units};

    use crate::layers::AttentionConfig;

    fn config(pooling: Pooling) -> VitConfig {
        let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
        VitConfig::new([8, 8], EncoderConfig::new(2, 2).with_position(position))
            .with_prefix(PrefixConfig::new().with_registers(1))
            .with_head(HeadConfig::classes(3).with_pooling(pooling))
    }

    fn embed(device: &Device) -> LinearPatchEmbed {
        LinearPatchEmbedConfig::new([4, 4], 1, 8).init(device)
    }

    fn images(device: &Device) -> Vec<Tensor<3>> {
        let sizes = [[8, 12], [16, 8], [8, 8], [8, 12], [4, 4]];
        let draw = |[height, width]: [usize; 2]| {
            Tensor::random([1, height, width], Distribution::Default, device)
        };
        sizes.map(draw).to_vec()
    }

    #[test]
    fn packed_and_padded_images_have_the_logits_that_each_has_alone() {
        let device = Device::flex();
        let images = images(&device);
        let packer = Packer::new(14)
            .with_rows(Some(2))
            .with_overflow(Overflow::Spill);
        for pooling in [
            Pooling::ClassToken,
            Pooling::Mean,
            Pooling::MeanBeforeNorm,
            Pooling::Attention,
        ] {
            let vit = config(pooling).init(embed(&device), &device);
            assert!(vit.pack(&images, &packer).unwrap().len() > 1);
            let alone = images
                .iter()
                .map(|image| vit.forward(image.clone().unsqueeze_dim(0)));
            let alone = Tensor::cat(alone.collect(), 0).into_data();
            let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
            let packed = vit
                .forward_packed(&images, &packer, Noise::None)
                .into_data();
            packed.assert_approx_eq(&alone, tolerance);
            let padded = vit.forward_padded(&images, Noise::None).into_data();
            padded.assert_approx_eq(&alone, tolerance);
        }
    }

    #[test]
    fn rotary_positions_turn_the_images_of_a_pack_as_each_alone() {
        let device = Device::flex();
        let images = images(&device);
        for name in ["rotary-axial", "rotary-mixed", "rotary-dinov3", "m-rope"] {
            let position = AnyPositionConfig::by_name(name).unwrap();
            let embed = LinearPatchEmbedConfig::new([4, 4], 1, 16).init(&device);
            let encoder = EncoderConfig::new(2, 2).with_position(position);
            let vit = VitConfig::new([8, 8], encoder).init(embed, &device);
            let alone = images
                .iter()
                .map(|image| vit.forward(image.clone().unsqueeze_dim(0)));
            let alone = Tensor::cat(alone.collect(), 0).into_data();
            let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
            let packed = vit.forward_packed(&images, &Packer::new(30), Noise::None);
            packed.into_data().assert_approx_eq(&alone, tolerance);
            let padded = vit.forward_padded(&images, Noise::None);
            padded.into_data().assert_approx_eq(&alone, tolerance);
        }
    }

    #[test]
    fn learned_positions_are_those_of_each_image_before_it_is_packed() {
        let device = Device::flex();
        let encoder = EncoderConfig::new(1, 2);
        let vit = VitConfig::new([8, 12], encoder).init(embed(&device), &device);
        let images: Vec<_> = [0, 3].map(|index| images(&device)[index].clone()).into();
        let alone = images
            .iter()
            .map(|image| vit.forward(image.clone().unsqueeze_dim(0)));
        let alone = Tensor::cat(alone.collect(), 0).into_data();
        let packed = vit.forward_packed(&images, &Packer::new(14), Noise::None);
        packed
            .into_data()
            .assert_approx_eq(&alone, Tolerance::<f32>::rel_abs(1e-5, 1e-5));
    }

    /// Angles by row and column; none for what has no place.
    fn attend(tokens: &Tokens) -> Attend {
        let places = tokens.coordinates(Units::Cells);
        let [batch, ..] = places.dims();
        let zeros = Tensor::zeros([batch, tokens.prefix(), 2], &places.device());
        let angles = Tensor::cat(vec![zeros, places], 1);
        let angles = Tensor::cat(vec![angles.clone(), angles], 2).unsqueeze_dim::<4>(1);
        let rotation = Rotation {
            cos: angles.clone().cos(),
            sin: angles.sin(),
            pairs: RotationPairs::Halves,
        };
        Attend {
            rotation: Some(rotation),
            ..Attend::default()
        }
    }

    #[test]
    fn places_turn_the_tokens_of_a_pack_as_those_of_each_image_and_class_tokens_not_at_all() {
        let device = Device::flex();
        let vit = config(Pooling::Mean).init(embed(&device), &device);
        let attention = AttentionConfig::new(8, 2).try_init(&device).unwrap();
        let run = |tokens: Tokens| {
            let (attend, reach) = (attend(&tokens), tokens.reach_with_prefix());
            tokens.map(|x| attention.forward(x, &attend, reach))
        };
        let images = images(&device);
        let tokens = vit.embed_by_size(&images).unwrap();
        let pack = Packer::new(16).pack(&tokens).unwrap().remove(0);
        let turned = run(pack.tokens().clone()).into_embeddings();
        let turned = pack.with_embeddings(turned).unpack();
        for (image, pixels) in images.into_iter().enumerate() {
            let alone = vit.embed_by_size(&[pixels]).unwrap().padded();
            let count = alone.prefix() + alone.tokens();
            let want = run(alone).into_embeddings().into_data();
            let got = turned.embeddings().slice_dim(0, image..image + 1);
            let got = got.slice_dim(1, ..count).into_data();
            got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-5));
        }
    }

    #[test]
    fn what_cannot_be_packed_is_an_error_that_says_why() {
        let device = Device::flex();
        let images = images(&device);
        let text = |vit: &Vit<LinearPatchEmbed>, images: &[Tensor<3>], length| {
            let error = vit.pack(images, &Packer::new(length)).unwrap_err();
            error.to_string()
        };
        let vit = config(Pooling::Mean).init(embed(&device), &device);
        assert!(text(&vit, &images, 9).contains("image 1 of the list has 10 tokens"));
        assert!(text(&vit, &[], 9).contains("images must be at least 1, got [0]"));
        let odd = Tensor::zeros([1, 8, 9], &device);
        assert!(text(&vit, &[odd], 9).contains("[8, 9] px"));
        let learned = VitConfig::new([8, 12], EncoderConfig::new(1, 2));
        let learned = learned.init(embed(&device), &device);
        assert!(text(&learned, &images, 20).contains("cannot place [1, 4, 2]"));
        let reducer = AnyReduceConfig::for_tokens("patch-merger", 2, 8).unwrap();
        let encoder = EncoderConfig::new(2, 2).with_reducers(vec![ReduceAt::middle(reducer, 2)]);
        let reducing = VitConfig::new([8, 12], encoder).init(embed(&device), &device);
        assert!(text(&reducing, &images[..1], 20).contains("takes no reducers, got 1"));
    }
}
