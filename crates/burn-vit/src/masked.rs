//! Patches replaced by a mask token before the encoder.

use burn::tensor::{Bool, Tensor};
use burn_patch::embed::PatchEmbed;
use burn_patch::{Noise, Tokens};

use crate::encoder::Encoded;
use crate::vit::Vit;

impl<E: PatchEmbed> Vit<E> {
    /// As [`encode`](Self::encode), the mask token in place of the patches where `mask` (`[batch, patches]`) is true:
    /// BEiT's and iBOT's pre-training, which DINOv2 keeps.
    ///
    /// # Panics
    ///
    /// As [`encode`](Self::encode), or if there is no mask token.
    #[track_caller]
    pub fn encode_masked<'a>(
        &self,
        patches: Tokens,
        mask: Tensor<2, Bool>,
        noise: impl Into<Noise<'a>>,
    ) -> Encoded {
        let token = self.mask_token.as_ref().expect("a mask token").val();
        let patches = patches.map(|embeddings| {
            let shape = embeddings.dims();
            let mask = mask.unsqueeze_dim::<3>(2).expand(shape);
            embeddings.mask_where(mask, token.expand(shape))
        });
        self.encode(patches, noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Tolerance};
    use burn_patch::embed::LinearPatchEmbedConfig;

    use crate::encoder::EncoderConfig;
    use crate::vit_config::VitConfig;

    #[test]
    fn masked_patches_are_the_mask_token_whatever_they_held() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let config = VitConfig::new([8, 8], EncoderConfig::new(1, 2)).with_mask_token(true);
        let vit = config.init(embed, &device);
        let mask = Tensor::from_bool([[false, true, true, false]], &device);
        let images = Tensor::<4>::random([1, 1, 8, 8], Distribution::Default, &device);
        let other = images.clone().slice_fill([0..1, 0..1, 0..4, 4..8], 5.0);
        let encode = |images| {
            let patches = vit.patch_embed.forward(images);
            let encoded = vit.encode_masked(patches, mask.clone(), Noise::None);
            encoded.tokens.into_embeddings().into_data()
        };
        let got = encode(images.clone());
        got.assert_approx_eq(&encode(other), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
        let whole = vit.forward_features(images, Noise::None).into_embeddings();
        let apart = whole - Tensor::from_data(got, &device);
        assert!(apart.abs().max().into_scalar::<f32>() > 1e-3);
    }
}
