//! The masked autoencoder.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::OrPanic;
use burn_patch::embed::{FlatOrder, PatchEmbed, patchify, unpatchify};
use burn_patch::grid::PatchGrid;
use burn_patch::layers::{NORMAL, apply, linear};
use burn_patch::ops::{overlap_add, patch_windows};
use burn_patch::reduce::{MaskPlan, RandomMask};
use burn_patch::tokens::{PlaceKind, Restore};
use burn_patch::{Noise, Tokens};

use crate::Error;
use crate::encoder::{Encoder, EncoderInput};
use crate::head::{HeadConfig, Pooling};
use crate::mae::mae_config::MaeConfig;
use crate::mae::masked_loss::masked_mean_square;
use crate::mae::patch_statistics::normalize_patches;
use crate::mae::reconstructed_patches::ReconstructedPatches;
use crate::mae::target::Target;
use crate::vit::Vit;

/// Added to a patch's variance before its root divides, MAE's value.
const TARGET_EPSILON: f64 = 1e-6;

/// Masked autoencoder: encode the visible patches, reconstruct the others.
///
/// He et al., [Masked Autoencoders Are Scalable Vision Learners](https://arxiv.org/abs/2111.06377);
/// `models_mae.py` (`MaskedAutoencoderViT`).
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`, noise one value per patch
/// - prediction `[batch, patches, patch height·patch width·channels]`, in `(row, column, channel)` order; of
///   [`ReconstructedPatches::Windows`], windows in place of patches
///
/// # Equation
///
/// `loss = mean over masked patches of mean((prediction − target)²)`,
/// `target = (p − mean(p))/√(var(p) + 10⁻⁶)` with the unbiased variance.
///
/// # Departures
///
/// Initialisers and the encoder's positions are those of [`MaeConfig::vit`] and of the embedding; the reference
/// has Xavier for the patch projection too and fixed sines in the encoder. Only visible patches are projected.
/// With an overlapping embedding, the patches to reconstruct are the cells of its stride, or its
/// [windows](ReconstructedPatches::Windows). Either way visible windows reach into masked neighbours: the loss is
/// lower than it would be without that overlap.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::LinearPatchEmbedConfig;
/// use burn_vit::{EncoderConfig, MaeConfig, VitConfig};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 16).init(&device);
/// let vit = VitConfig::new([8, 8], EncoderConfig::new(2, 4));
/// let mae = MaeConfig::new(vit, 8, 1, 2).init(embed, &device);
/// let noise = [0.9, 0.1, 0.3, 0.7]; // One value per patch: the smallest quarter stays visible.
/// let output = mae.forward(Tensor::ones([1, 1, 8, 8], &device), &noise);
/// assert_eq!(output.prediction.embeddings().dims(), [1, 4, 16]);
/// output.mask.into_data().assert_eq(&[[1.0f32, 0.0, 1.0, 1.0]].into(), true);
/// ```
#[derive(Module, Debug)]
pub struct Mae<E: PatchEmbed> {
    /// What sees the visible patches.
    pub vit: Vit<E>,
    /// Encoder width to decoder width.
    pub decoder_embed: Linear,
    /// Stands in for masked patches, `[1, 1, decoder dim]`.
    pub mask_token: Param<Tensor<3>>,
    /// The decoder.
    pub decoder: Encoder,
    /// Token to pixels.
    pub decoder_pred: Linear,
    mask: RandomMask,
    patch: [usize; 2],
    #[module(skip)]
    target: Target,
    #[module(skip)]
    patches: ReconstructedPatches,
}

/// What [`Mae::forward`] gives.
#[derive(Debug, Clone)]
pub struct MaeOutput {
    /// The loss, `[1]`.
    pub loss: Tensor<1>,
    /// Predicted patches of the whole grid.
    pub prediction: Tokens,
    /// 1 where a patch was masked, `[batch, patches]`.
    pub mask: Tensor<2>,
}

impl MaeConfig {
    /// Builds the model around `embed`.
    ///
    /// # Errors
    ///
    /// The encoder's errors, a decoder that does not fit its width, a mask ratio out of range,
    /// [`Error::NotRestorable`], [`Error::Untiled`] and [`Error::Unread`].
    pub fn try_init<E: PatchEmbed>(&self, embed: E, device: &Device) -> Result<Mae<E>, Error> {
        let mask = RandomMask::try_new(self.mask_ratio)?;
        if embed.places() != PlaceKind::Cells {
            let got = "an embedding whose tokens lie off the grid";
            return Err(Error::NotRestorable { got });
        }
        let grid = embed.layout(self.vit.image)?;
        let patch = self.patches.try_size(&grid)?;
        let (dim, values) = (embed.dim(), patch[0] * patch[1] * embed.channels());
        if self.target == Target::NormalizedPixels && values < 2 {
            return Err(Error::SingleValue);
        }
        if !self.decoder.reducers.is_empty() {
            let got = "a decoder that reduces its tokens";
            return Err(Error::NotRestorable { got });
        }
        let pooling = match self.vit.head.pooling {
            Pooling::ClassToken => Pooling::ClassToken,
            Pooling::Mean | Pooling::MeanBeforeNorm | Pooling::Attention => Pooling::Mean,
        };
        let head = HeadConfig::new().with_pooling(pooling);
        let vit = self.vit.clone().with_head(head).try_init(embed, device)?;
        if vit.layout(self.vit.image)?.places == PlaceKind::Boxes {
            let got = "an encoder that pools its tokens";
            return Err(Error::NotRestorable { got });
        }
        let initializer = &self.decoder.initializer;
        let linear = |shape| linear(shape, initializer.clone(), Some(Initializer::Zeros), device);
        let input = EncoderInput {
            grid,
            places: PlaceKind::Cells,
            tokens: grid.tokens(),
            prefix: self.vit.prefix.count(),
            dim: self.decoder_dim,
        };
        Ok(Mae {
            vit,
            decoder_embed: linear([dim, self.decoder_dim]),
            mask_token: NORMAL.init([1, 1, self.decoder_dim], device),
            decoder: self.decoder.try_init(&input, true, device)?,
            decoder_pred: linear([self.decoder_dim, values]),
            mask,
            patch,
            target: self.target,
            patches: self.patches,
        })
    }

    /// Builds the model around `embed`.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init<E: PatchEmbed>(&self, embed: E, device: &Device) -> Mae<E> {
        self.try_init(embed, device).or_panic()
    }
}

impl<E: PatchEmbed> Mae<E> {
    /// Masks by `noise` (one value per patch, images one after another), encodes, reconstructs. An encoder whose own
    /// reducers draw takes their noise after that.
    ///
    /// # Panics
    ///
    /// If the images do not fit the embedding, or there is too little noise.
    #[track_caller]
    pub fn forward<'a>(&self, images: Tensor<4>, noise: impl Into<Noise<'a>>) -> MaeOutput {
        let (latent, restore) = self.encode_visible(images.clone(), noise);
        let prediction = self.decode(latent, &restore);
        MaeOutput {
            loss: self.loss(images, &prediction, restore.mask()),
            prediction,
            mask: restore.mask(),
        }
    }

    /// Mean squared error over the patches where `mask` (`[batch, patches]`) is 1; 0 where none is.
    #[track_caller]
    pub fn loss(&self, images: Tensor<4>, prediction: &Tokens, mask: Tensor<2>) -> Tensor<1> {
        let error = prediction.embeddings() - self.target(images);
        masked_mean_square(error, mask)
    }

    /// What the decoder should predict, `[batch, patches, patch height·patch width·channels]`.
    #[track_caller]
    pub fn target(&self, images: Tensor<4>) -> Tensor<3> {
        let [target, ..] = self.scaled_target(images);
        target
    }

    /// Encodes the visible patches.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    pub fn encode_visible<'a>(
        &self,
        images: Tensor<4>,
        noise: impl Into<Noise<'a>>,
    ) -> (Tokens, Restore) {
        let (batch, grid, mut noise) = (images.dims()[0], self.grid(&images), noise.into());
        let values = noise.take("a mask of the patches", batch * grid.tokens());
        let plan = values.and_then(|noise| self.mask.plan(batch, grid, &noise, &images.device()));
        let MaskPlan { keep, restore } = plan.or_panic();
        let visible = self.vit.patch_embed.forward_visible(images, keep);
        let kept = visible.tokens();
        let encoded = self.vit.encode(visible, noise);
        let restore = match encoded.restore {
            Some(within) => restore.then(within),
            None => {
                assert_eq!(
                    encoded.tokens.tokens(),
                    kept,
                    "tokens that lead back to the visible"
                );
                restore
            }
        };
        (encoded.tokens, restore)
    }

    /// Predicts every patch from the encoded visible ones.
    #[track_caller]
    pub fn decode(&self, latent: Tokens, restore: &Restore) -> Tokens {
        let tokens = latent.map(|embeddings| apply(&self.decoder_embed, embeddings));
        let tokens = restore.apply(tokens, Some(self.mask_token.val()));
        let decoded = self.decoder.forward(tokens, &[], &mut Noise::None).tokens;
        let patches = apply(&self.decoder_pred, decoded.patch_embeddings());
        Tokens::from_grid(patches, *decoded.grid())
    }

    /// Paints a prediction: masked patches predicted, visible ones copied, `[batch, channels, height, width]`.
    ///
    /// Normalised predictions are scaled back with the true mean and deviation of their patch, as MAE's
    /// demonstration does. A pixel in several windows is their mean, predicted and copied ones alike.
    #[track_caller]
    pub fn paint(&self, images: Tensor<4>, output: &MaeOutput) -> Tensor<4> {
        let [target, mean, deviation] = self.scaled_target(images.clone());
        let mask = output
            .mask
            .clone()
            .cast(target.dtype())
            .unsqueeze_dim::<3>(2);
        let values = output.prediction.embeddings() * mask.clone() + target * (1.0 - mask);
        let values = values * deviation + mean;
        match self.patches {
            ReconstructedPatches::Cells => {
                let patches = self.cells(images).map(|_| values);
                unpatchify(patches, FlatOrder::ChannelsLast).expect("patches of the whole grid")
            }
            ReconstructedPatches::Windows => {
                let area = self.patch[0] * self.patch[1];
                overlap_add(exchange(values, area), &self.grid(&images))
            }
        }
    }

    /// Values of noise that [`forward`](Self::forward) needs for `batch` images of `size`.
    ///
    /// # Errors
    ///
    /// If the embedding refuses the size, or a reducer cannot take the visible patches.
    pub fn noise(&self, batch: usize, size: [usize; 2]) -> Result<usize, Error> {
        let patches = self.vit.patch_embed.layout(size)?.tokens();
        let within = self.vit.encoder.noise(batch, self.mask.kept(patches))?;
        Ok(batch * patches + within)
    }

    /// The encoder, to fine-tune with [`Vit::with_classes`] or [`Vit::with_head`].
    pub fn into_vit(self) -> Vit<E> {
        self.vit
    }

    #[track_caller]
    fn cells(&self, images: Tensor<4>) -> Tokens {
        patchify(images, self.patch, FlatOrder::ChannelsLast).or_panic()
    }

    /// The pixels that each token stands for, in `(row, column, channel)` order.
    #[track_caller]
    fn pixels(&self, images: Tensor<4>) -> Tensor<3> {
        match self.patches {
            ReconstructedPatches::Cells => self.cells(images).into_embeddings(),
            ReconstructedPatches::Windows => {
                let (grid, channels) = (self.grid(&images), images.dims()[1]);
                exchange(patch_windows(images, &grid), channels)
            }
        }
    }

    #[track_caller]
    fn grid(&self, images: &Tensor<4>) -> PatchGrid {
        let [_, _, height, width] = images.dims();
        self.vit.patch_embed.layout([height, width]).or_panic()
    }

    /// Target, and the mean and deviation that lead from it back to pixels.
    #[track_caller]
    fn scaled_target(&self, images: Tensor<4>) -> [Tensor<3>; 3] {
        let patches = self.pixels(images);
        match self.target {
            Target::NormalizedPixels => normalize_patches(patches, TARGET_EPSILON),
            Target::Pixels => {
                let zeros = patches.zeros_like().slice_dim(2, 0..1);
                [patches, zeros.clone(), zeros.ones_like()]
            }
        }
    }
}

/// `[batch, patches, slow·fast]` → `[batch, patches, fast·slow]`.
fn exchange(values: Tensor<3>, slow: usize) -> Tensor<3> {
    let [batch, patches, count] = values.dims();
    values
        .reshape([batch, patches, slow, count / slow])
        .swap_dims(2, 3)
        .reshape([batch, patches, count])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::EncoderConfig;
    use crate::reduce_at::{ReduceAt, Stage};
    use crate::vit_config::VitConfig;
    use burn::tensor::{DType, Distribution, Tolerance};
    use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, OverlapPatchEmbedConfig};
    use burn_patch::reduce::{AnyReduceConfig, RandomMaskConfig};

    fn noise(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i * 37 % 101) as f32).collect()
    }

    fn mae(target: Target, device: &Device) -> Mae<LinearPatchEmbed> {
        let embed = LinearPatchEmbedConfig::new([4, 4], 2, 16).init(device);
        MaeConfig::new(VitConfig::new([8, 16], EncoderConfig::new(2, 4)), 8, 1, 2)
            .with_target(target)
            .init(embed, device)
    }

    #[test]
    fn projecting_the_visible_patches_equals_embedding_all_and_masking() {
        let device = Device::flex();
        let mae = mae(Target::NormalizedPixels, &device);
        let images = Tensor::random([3, 2, 8, 16], Distribution::Default, &device);
        let (latent, _) = mae.encode_visible(images.clone(), &noise(24));
        let all = mae.vit.patch_embed.forward(images);
        let (visible, _) = RandomMask::new(0.75).apply(all, &noise(24));
        let want = mae.vit.encode(visible, Noise::None).tokens;
        latent.into_embeddings().into_data().assert_approx_eq(
            &want.into_embeddings().into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    #[test]
    fn painting_copies_visible_patches_and_a_perfect_prediction_gives_the_image() {
        let device = Device::flex();
        for target in [Target::NormalizedPixels, Target::Pixels] {
            let mae = mae(target, &device);
            let images = Tensor::random([2, 2, 8, 16], Distribution::Default, &device);
            let mut output = mae.forward(images.clone(), &noise(16));
            output.prediction = output.prediction.map(|_| mae.target(images.clone()));
            mae.paint(images.clone(), &output)
                .into_data()
                .assert_approx_eq(&images.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
        }
    }

    #[test]
    fn targets_of_bytes_in_half_precision_have_variance_one() {
        let device = Device::flex();
        let mae = mae(Target::NormalizedPixels, &device);
        let bytes = Distribution::Uniform(0.0, 255.0);
        let images = Tensor::<4>::random([2, 2, 8, 16], bytes, &device);
        let target = mae.target(images.cast(DType::F16)).cast(DType::F32);
        let variance = target.var(2);
        let ones = variance.ones_like().into_data();
        variance
            .into_data()
            .assert_approx_eq(&ones, Tolerance::<f32>::absolute(5e-3));
    }

    #[test]
    fn steps_that_do_not_tile_the_image_are_an_error() {
        let device = Device::flex();
        let embed = OverlapPatchEmbedConfig::new([3, 3], [2, 2], 1, 8).init(&device);
        let error = MaeConfig::new(VitConfig::new([7, 8], EncoderConfig::new(1, 2)), 8, 1, 2)
            .try_init(embed, &device);
        assert_eq!(
            error.unwrap_err(),
            Error::Untiled {
                expected: [8, 8],
                got: [7, 8]
            }
        );
    }

    #[test]
    fn a_mask_ratio_of_one_is_an_error() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let config = MaeConfig::new(VitConfig::new([8, 8], EncoderConfig::new(1, 2)), 8, 1, 2)
            .with_mask_ratio(1.0);
        assert!(matches!(
            config.try_init(embed, &device),
            Err(Error::Patch(burn_patch::Error::MaskRatio { .. }))
        ));
    }

    fn overlapping(image: [usize; 2], target: Target) -> MaeConfig {
        MaeConfig::new(VitConfig::new(image, EncoderConfig::new(1, 2)), 8, 1, 2)
            .with_target(target)
            .with_patches(ReconstructedPatches::Windows)
    }

    #[test]
    fn a_perfect_prediction_of_overlapping_windows_paints_the_image() {
        let device = Device::flex();
        for target in [Target::NormalizedPixels, Target::Pixels] {
            let embed = OverlapPatchEmbedConfig::new([5, 3], [4, 2], 2, 8).init(&device);
            let mae = overlapping([9, 12], target).init(embed, &device);
            let images = Tensor::random([2, 2, 9, 12], Distribution::Default, &device);
            let mut output = mae.forward(images.clone(), &noise(36));
            assert_eq!(output.prediction.embeddings().dims(), [2, 18, 30]);
            output.prediction = output.prediction.map(|_| mae.target(images.clone()));
            let loss = mae.loss(images.clone(), &output.prediction, output.mask.clone());
            assert_eq!(loss.into_scalar::<f32>(), 0.0);
            mae.paint(images.clone(), &output)
                .into_data()
                .assert_approx_eq(&images.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
        }
    }

    #[test]
    fn where_windows_tile_the_image_they_are_the_cells() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 2, 8).init(&device);
        let config = overlapping([8, 16], Target::NormalizedPixels);
        let windows = config.init(embed.clone(), &device);
        let mut cells = windows.clone();
        cells.patches = ReconstructedPatches::Cells;
        let images = Tensor::random([2, 2, 8, 16], Distribution::Default, &device);
        let [one, two] = [windows, cells].map(|mae| {
            let output = mae.forward(images.clone(), &noise(16));
            (output.loss.clone(), mae.paint(images.clone(), &output))
        });
        one.0.into_data().assert_eq(&two.0.into_data(), true);
        one.1.into_data().assert_eq(&two.1.into_data(), true);
    }

    #[test]
    fn windows_that_leave_pixels_unread_are_an_error() {
        let device = Device::flex();
        let embed = OverlapPatchEmbedConfig::new([3, 3], [2, 2], 1, 8)
            .with_padding(Some([0, 0]))
            .init(&device);
        let error = overlapping([8, 9], Target::Pixels).try_init(embed, &device);
        assert_eq!(
            error.unwrap_err(),
            Error::Unread {
                unread: 1,
                got: [8, 9]
            }
        );
    }

    fn reducing(reducer: AnyReduceConfig) -> MaeConfig {
        let at = ReduceAt {
            reducer,
            stage: Stage::BeforeBlock(1),
        };
        let encoder = EncoderConfig::new(2, 2).with_reducers(vec![at]);
        MaeConfig::new(VitConfig::new([8, 16], encoder), 8, 1, 2)
    }

    #[test]
    fn an_encoder_that_pools_is_an_error() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let pool = AnyReduceConfig::for_tokens("patch-merger", 2, 8).unwrap();
        let error = reducing(pool).try_init(embed, &device).unwrap_err();
        assert!(matches!(error, Error::NotRestorable { .. }), "{error}");
    }

    #[test]
    fn what_the_encoder_drops_on_its_way_is_restored_as_masked() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let drop = AnyReduceConfig::RandomMask(RandomMaskConfig::new(0.5));
        let mae = reducing(drop).with_mask_ratio(0.5).init(embed, &device);
        assert_eq!(mae.noise(1, [8, 16]).unwrap(), 8 + 4);
        let images = Tensor::random([1, 1, 8, 16], Distribution::Default, &device);
        let (latent, restore) = mae.encode_visible(images, &noise(8 + 4));
        assert_eq!(latent.tokens(), 2);
        assert_eq!(restore.mask().sum().into_scalar::<f32>(), 6.0);
        assert_eq!(mae.decode(latent, &restore).embeddings().dims(), [1, 8, 16]);
    }

    #[test]
    fn a_decoder_that_reduces_is_an_error() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let reducer = AnyReduceConfig::for_tokens("random-mask", 2, 8).unwrap();
        let stage = Stage::BeforeBlock(0);
        let config = MaeConfig::new(VitConfig::new([8, 16], EncoderConfig::new(1, 2)), 8, 1, 2);
        let decoder = config.decoder.clone();
        let decoder = decoder.with_reducers(vec![ReduceAt { reducer, stage }]);
        let error = config.with_decoder(decoder).try_init(embed, &device);
        assert!(matches!(error.unwrap_err(), Error::NotRestorable { .. }));
    }

    #[test]
    fn pre_training_keeps_the_norm_that_fine_tuning_moves_behind_the_mean() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let head = HeadConfig::classes(3).with_pooling(Pooling::MeanBeforeNorm);
        let vit = VitConfig::new([8, 16], EncoderConfig::new(1, 2)).with_head(head.clone());
        let vit = MaeConfig::new(vit, 8, 1, 2).init(embed, &device).into_vit();
        assert!(vit.encoder.norm.is_some() && vit.head.fc_norm.is_none());
        let vit = vit.with_head(&head, &device).unwrap();
        assert!(vit.encoder.norm.is_none() && vit.head.fc_norm.is_some());
        let logits = vit.forward(Tensor::zeros([2, 1, 8, 16], &device));
        assert_eq!(logits.dims(), [2, 3]);
    }
}
