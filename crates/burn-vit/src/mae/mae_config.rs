//! Configuration of the masked autoencoder.

use burn::config::Config;
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderConfig;
use crate::mae::reconstructed_patches::ReconstructedPatches;
use crate::mae::target::Target;
use crate::setters::setters;
use crate::vit_config::VitConfig;

/// Configuration of [`Mae`](crate::Mae).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaeConfig {
    /// What sees the visible patches; its classes are not built.
    pub vit: VitConfig,
    /// Width of the decoder's tokens, a multiple of its heads and, for sine-cosine positions, of 4.
    pub decoder_dim: usize,
    /// The decoder's blocks and positions.
    pub decoder: EncoderConfig,
    /// Share of the patches that the encoder does not see, in `[0, 1)`.
    #[serde(default = "mask_ratio")]
    pub mask_ratio: f64,
    /// What the decoder predicts.
    #[serde(default)]
    pub target: Target,
    /// Which pixels each token stands for.
    #[serde(default)]
    pub patches: ReconstructedPatches,
}

fn mask_ratio() -> f64 {
    0.75
}

impl Config for MaeConfig {}

impl MaeConfig {
    /// A decoder of `depth` blocks of `heads` heads over tokens of width `dim`, with fixed sines and cosines, and with
    /// the encoder's epsilon and initialiser.
    pub fn new(vit: VitConfig, dim: usize, depth: usize, heads: usize) -> Self {
        let decoder = EncoderConfig::new(depth, heads)
            .with_epsilon(vit.encoder.epsilon)
            .with_initializer(vit.encoder.initializer.clone())
            .with_position(AnyPositionConfig::SinCos(SinCosPositionConfig::new()));
        Self {
            vit,
            decoder_dim: dim,
            decoder,
            mask_ratio: mask_ratio(),
            target: Target::default(),
            patches: ReconstructedPatches::default(),
        }
    }
}

setters!(MaeConfig {
    /// The decoder's blocks and positions.
    with_decoder: decoder, EncoderConfig;
    /// The share of the patches that the encoder does not see.
    with_mask_ratio: mask_ratio, f64;
    /// What the decoder predicts.
    with_target: target, Target;
    /// Which pixels each token stands for.
    with_patches: patches, ReconstructedPatches;
});
