//! Configuration of the masked autoencoder.

use std::collections::BTreeMap;

use burn::config::Config;
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_patch::reduce::{AnyMaskConfig, RandomMaskConfig};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderConfig;
use crate::mae::reconstructed_patches::ReconstructedPatches;
use crate::mae::target::Target;
use crate::setters::setters;
use crate::vit_config::{MOVED, VitConfig};

/// MAE's.
const MASK_RATIO: f64 = 0.75;

/// Configuration of [`Mae`](crate::Mae).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "File")]
pub struct MaeConfig {
    /// What sees the visible patches. Its classes are not built, and it keeps the encoder's norm, whatever its pooling:
    /// that is for [`Vit::with_head`](crate::Vit::with_head) afterwards.
    pub vit: VitConfig,
    /// Width of the decoder's tokens, a multiple of its heads and, for sine-cosine positions, of 4.
    pub decoder_dim: usize,
    /// The decoder's blocks and positions. It has no reducers. [`new`](Self::new) gives it fixed sines and cosines; a
    /// file that names no position, like every encoder's, a trained table.
    pub decoder: EncoderConfig,
    /// Which patches the encoder does not see. A file that has `mask_ratio` instead has a random mask of that share.
    pub mask: AnyMaskConfig,
    /// What the decoder predicts.
    pub target: Target,
    /// Which pixels each token stands for.
    pub patches: ReconstructedPatches,
}

fn random(ratio: f64) -> AnyMaskConfig {
    AnyMaskConfig::Random(RandomMaskConfig::new(ratio))
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
            mask: random(MASK_RATIO),
            target: Target::default(),
            patches: ReconstructedPatches::default(),
        }
    }

    /// With a random mask of this share of the patches, in `[0, 1)`. The default is 0.75.
    #[must_use]
    pub fn with_mask_ratio(self, ratio: f64) -> Self {
        self.with_mask(random(ratio))
    }
}

setters!(MaeConfig {
    /// The decoder's blocks and positions.
    with_decoder: decoder, EncoderConfig;
    /// Which patches the encoder does not see.
    with_mask: mask, AnyMaskConfig;
    /// What the decoder predicts.
    with_target: target, Target;
    /// Which pixels each token stands for.
    with_patches: patches, ReconstructedPatches;
});

/// What a file holds.
#[derive(Deserialize)]
struct File {
    vit: Option<VitConfig>,
    decoder_dim: usize,
    decoder: Option<EncoderConfig>,
    mask: Option<AnyMaskConfig>,
    mask_ratio: Option<f64>,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    patches: Option<ReconstructedPatches>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

impl TryFrom<File> for MaeConfig {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
        let (Some(vit), Some(decoder)) = (file.vit, file.decoder) else {
            return Err(format!(
                "this MAE's config has no `vit` or no `decoder`: write `encoder` as `vit`, and `decoder_depth`, \
                 `decoder_heads` and `decoder_position` as `decoder: {{depth, heads, position}}`; {MOVED}"
            ));
        };
        if let Some(other) = file.others.keys().next() {
            return Err(format!("unknown field `{other}` of an MAE's config"));
        }
        let mask = match (file.mask, file.mask_ratio) {
            (Some(_), Some(_)) => {
                return Err("an MAE's config has `mask` or `mask_ratio`, not both".into());
            }
            (Some(mask), None) => mask,
            (None, ratio) => random(ratio.unwrap_or(MASK_RATIO)),
        };
        Ok(Self {
            vit,
            decoder_dim: file.decoder_dim,
            decoder,
            mask,
            target: file.target,
            patches: file.patches.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_patch::reduce::GridMaskConfig;

    use crate::prefix::PrefixConfig;

    #[test]
    fn a_file_of_this_version_is_read_back() {
        let vit = VitConfig::new([8, 16], EncoderConfig::new(2, 4).with_drop_path(0.1))
            .with_prefix(PrefixConfig::new().with_registers(2));
        let config = MaeConfig::new(vit, 8, 1, 2)
            .with_mask(AnyMaskConfig::Grid(GridMaskConfig::new()))
            .with_target(Target::Pixels)
            .with_patches(ReconstructedPatches::Windows);
        let text = serde_json::to_string(&config).unwrap();
        let back: MaeConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{config:?}"));
    }

    #[test]
    fn missing_settings_are_the_defaults() {
        let text = r#"{"vit": {"image": [8, 8], "encoder": {"depth": 1, "heads": 2}},
            "decoder_dim": 8, "decoder": {"depth": 1, "heads": 2}}"#;
        let config: MaeConfig = serde_json::from_str(text).unwrap();
        assert_eq!(ratio(&config), 0.75);
        assert_eq!(config.target, Target::default());
    }

    fn ratio(config: &MaeConfig) -> f64 {
        match &config.mask {
            AnyMaskConfig::Random(mask) => mask.ratio,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_with_a_ratio_has_a_random_mask_and_one_with_both_is_refused() {
        let text = |more: &str| {
            format!(
                r#"{{"vit": {{"image": [8, 8], "encoder": {{"depth": 1, "heads": 2}}}},
                "decoder_dim": 8, "decoder": {{"depth": 1, "heads": 2}}, {more}}}"#
            )
        };
        let config: MaeConfig = serde_json::from_str(&text(r#""mask_ratio": 0.6"#)).unwrap();
        assert_eq!(ratio(&config), 0.6);
        let both =
            text(r#""mask_ratio": 0.6, "mask": {"Grid": {"every": [2, 2], "first": [0, 0]}}"#);
        let error = serde_json::from_str::<MaeConfig>(&both).unwrap_err();
        assert!(error.to_string().contains("not both"), "{error}");
    }

    #[test]
    fn a_flat_file_is_refused_with_what_to_change() {
        let flat = r#"{"encoder": {"image": [8, 8]}, "decoder_dim": 8, "decoder_depth": 1,
            "decoder_heads": 2, "mask_ratio": 0.75, "decoder_position": {"SinCos": "Mae"},
            "target": "NormalizedPixels", "patches": null}"#;
        let error = serde_json::from_str::<MaeConfig>(flat)
            .unwrap_err()
            .to_string();
        assert!(error.contains("write `encoder` as `vit`"), "{error}");
    }
}
