//! The configuration of the model that an architecture describes.

use burn_patch::embed::LinearPatchEmbedConfig;
use burn_patch::grid::Remainder;
use burn_patch::layers::Activation;
use burn_patch::position::{
    AnyPositionConfig, AxialBands, AxialRotaryPositionConfig, AxisOrder,
    DinoV3RotaryPositionConfig, LearnedPositionConfig, MixedRotaryPositionConfig, NoPositionConfig,
    Periods, RelativeBiasPositionConfig,
};

use crate::encoder::EncoderConfig;
use crate::head::{HeadConfig, Pooling};
use crate::import::architecture::{Act, Architecture, Biases, Decoder, Pool, Rotary};
use crate::layers::QkvBias;
use crate::mae::{MaeConfig, Target};
use crate::prefix::PrefixConfig;
use crate::vit_config::VitConfig;

/// Starting value of LayerScale, before weights are loaded.
const LAYER_SCALE: f64 = 1e-5;

impl Architecture {
    /// The configuration of its patch embedding.
    pub fn embed_config(&self) -> LinearPatchEmbedConfig {
        let fits = [0, 1].map(|axis| self.image[axis].is_multiple_of(self.patch[axis].max(1)));
        // Convolutions drop what they do not reach: SigLIP's 384 px in patches of 14.
        let remainder = match fits {
            [true, true] => Remainder::Reject,
            _ => Remainder::Floor,
        };
        LinearPatchEmbedConfig::new(self.patch, self.channels, self.dim)
            .with_bias(self.patch_bias)
            .with_remainder(remainder)
    }

    /// The configuration of its `Vit`; of a masked autoencoder, its encoder.
    pub fn vit_config(&self) -> VitConfig {
        let prefix = PrefixConfig::new()
            .with_cls_token(self.class_token)
            .with_dist_token(self.distilled)
            .with_registers(self.registers);
        let pooling = match self.pooling {
            Pool::Class => Pooling::ClassToken,
            Pool::ClassThenNorm => Pooling::ClassTokenBeforeNorm,
            Pool::Mean => Pooling::Mean,
            Pool::MeanThenNorm => Pooling::MeanBeforeNorm,
            Pool::Attention => Pooling::Attention,
        };
        let head = HeadConfig::new()
            .with_pooling(pooling)
            .with_classes(self.classes)
            .with_distilled(self.distilled_head && pooling.class_token())
            .with_pool_activation(activation(self.activation))
            .with_pool_hidden(Some(self.hidden));
        VitConfig::new(self.image, self.encoder_config())
            .with_prefix(prefix)
            .with_head(head)
            .with_mask_token(self.mask_token)
    }

    /// The configuration of its masked autoencoder, if it is one.
    pub fn mae_config(&self) -> Option<MaeConfig> {
        let decoder: Decoder = self.decoder?;
        let config = MaeConfig::new(self.vit_config(), decoder.dim, decoder.depth, decoder.heads);
        let table = LearnedPositionConfig::new();
        let blocks = config
            .decoder
            .clone()
            .with_position(AnyPositionConfig::Learned(table))
            .with_activation(activation(self.activation))
            .with_mlp_hidden(Some(decoder.hidden));
        let target = match decoder.normalized {
            true => Target::NormalizedPixels,
            false => Target::Pixels,
        };
        Some(
            config
                .with_decoder(blocks)
                .with_mask_ratio(decoder.mask_ratio)
                .with_target(target),
        )
    }

    fn encoder_config(&self) -> EncoderConfig {
        let bias = match self.qkv_bias {
            Biases::All => QkvBias::All,
            Biases::NoKey => QkvBias::NoKey,
            Biases::None => QkvBias::None,
        };
        let position = match self.places.table {
            Some(prefix) => {
                AnyPositionConfig::Learned(LearnedPositionConfig::new().with_prefix(Some(prefix)))
            }
            None => AnyPositionConfig::NoPosition(NoPositionConfig::new()),
        };
        EncoderConfig::new(self.depth, self.heads)
            .with_epsilon(self.epsilon)
            .with_layer_scale(self.layer_scale.then_some(LAYER_SCALE))
            .with_mlp_hidden(Some(self.hidden))
            .with_activation(activation(self.activation))
            .with_mlp_norm(self.mlp_norm)
            .with_qkv_bias(bias)
            .with_qk_norm(self.qk_norm)
            .with_pre_norm(self.pre_norm)
            .with_position(position)
            .with_position_within(self.position_within())
    }

    fn position_within(&self) -> Option<AnyPositionConfig> {
        if self.places.relative {
            let config = RelativeBiasPositionConfig::new().with_class_rows(true);
            return Some(AnyPositionConfig::RelativeBias(config));
        }
        Some(match self.places.rotary? {
            Rotary::Axial {
                base: theta,
                reference,
                columns_first,
                offset,
            } => AnyPositionConfig::AxialRotary(
                AxialRotaryPositionConfig::new()
                    .with_bands(AxialBands::Powers { theta })
                    .with_order(match columns_first {
                        true => AxisOrder::ColumnsFirst,
                        false => AxisOrder::RowsFirst,
                    })
                    .with_reference(reference)
                    .with_offset((offset != 0.0).then_some(offset)),
            ),
            Rotary::Mixed { base } => {
                AnyPositionConfig::MixedRotary(MixedRotaryPositionConfig::new().with_theta(base))
            }
            Rotary::Dino { base } => AnyPositionConfig::DinoV3Rotary(
                DinoV3RotaryPositionConfig::new().with_periods(Periods::Base(base)),
            ),
        })
    }
}

fn activation(act: Act) -> Activation {
    match act {
        Act::Gelu => Activation::Gelu,
        Act::GeluTanh => Activation::GeluTanh,
        Act::QuickGelu => Activation::QuickGelu,
        Act::SwiGlu => Activation::SwiGlu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor};

    use crate::import::preset::Preset;

    #[test]
    fn an_image_that_patches_do_not_divide_loses_its_border() {
        let device = Device::flex();
        let preset = Preset::by_name("vit_so400m_patch14_siglip_384").unwrap();
        let arch = Architecture {
            dim: 8,
            heads: 2,
            depth: 1,
            hidden: 8,
            ..preset.architecture().unwrap()
        };
        assert_eq!((arch.image, arch.grid()), ([384, 384], [27, 27]));
        let embed = arch.embed_config().init(&device);
        let vit = arch.vit_config().init(embed, &device);
        assert_eq!(vit.layout([384, 384]).unwrap().tokens, 729);
        assert_eq!(
            vit.forward(Tensor::zeros([1, 3, 384, 384], &device)).dims(),
            [1, 8]
        );
    }
}
