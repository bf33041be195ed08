//! The masked autoencoder.

#[cfg(test)]
mod tests;

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::OrPanic;
use burn_patch::embed::{FlatOrder, PatchEmbed, patchify, unpatchify};
use burn_patch::grid::PatchGrid;
use burn_patch::layers::{NORMAL, apply, linear};
use burn_patch::ops::{overlap_add, patch_windows};
use burn_patch::reduce::{AnyMask, MaskPlan};
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
/// - images `[batch, channels, height, width]`, noise as [`Mae::noise`] says: one value per patch for a random mask
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
    mask: AnyMask,
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
    /// The encoder's errors, a decoder that does not fit its width, a mask that is wrong or does not fit the grid,
    /// [`Error::NotRestorable`], [`Error::Untiled`] and [`Error::Unread`].
    pub fn try_init<E: PatchEmbed>(&self, embed: E, device: &Device) -> Result<Mae<E>, Error> {
        let mask = self.mask.try_init(device)?;
        if embed.places() != PlaceKind::Cells {
            let got = "an embedding whose tokens lie off the grid";
            return Err(Error::NotRestorable { got });
        }
        let grid = embed.layout(self.vit.image)?;
        mask.kept(&grid)?;
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
            Pooling::ClassToken | Pooling::ClassTokenBeforeNorm => Pooling::ClassToken,
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
    /// Masks by `noise` (for a random mask one value per patch, images one after another), encodes, reconstructs. An encoder whose own
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
        let values = noise.take("a mask of the patches", self.mask.noise(batch, &grid));
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
        let grid = self.vit.patch_embed.layout(size)?;
        let within = self.vit.encoder.noise(batch, self.mask.kept(&grid)?)?;
        Ok(self.mask.noise(batch, &grid) + within)
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
