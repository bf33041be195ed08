//! Configuration of the vision transformer.

use std::collections::BTreeMap;

use burn::config::Config;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderConfig;
use crate::head::HeadConfig;
use crate::prefix::PrefixConfig;
use crate::setters::setters;

/// Configuration of [`Vit`](crate::Vit).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "File")]
pub struct VitConfig {
    /// Image `[height, width]` in pixels.
    pub image: [usize; 2],
    /// Blocks, positions and reducers.
    pub encoder: EncoderConfig,
    /// Tokens in front of the patch tokens.
    pub prefix: PrefixConfig,
    /// Pooling and classifier.
    pub head: HeadConfig,
    /// Whether there is a token that stands in for masked patches.
    pub mask_token: bool,
}

impl Config for VitConfig {}

impl VitConfig {
    /// An encoder for images of `[height, width]` pixels behind a class token, without classes.
    pub fn new(image: [usize; 2], encoder: EncoderConfig) -> Self {
        Self {
            image,
            encoder,
            prefix: PrefixConfig::default(),
            head: HeadConfig::default(),
            mask_token: false,
        }
    }
}

setters!(VitConfig {
    /// Blocks, positions and reducers.
    with_encoder: encoder, EncoderConfig;
    /// Tokens in front of the patch tokens.
    with_prefix: prefix, PrefixConfig;
    /// Pooling and classifier.
    with_head: head, HeadConfig;
    /// Whether there is a token that stands in for masked patches.
    with_mask_token: mask_token, bool;
});

/// What to change in a file of the version whose configs did not nest.
pub(crate) const MOVED: &str = "files of burn-vit before nested configs have its fields at the top. Move `depth`, \
    `heads`, `mlp_ratio`, `layer_scale`, `drop_path`, `epsilon` and `initializer` into `encoder`, and `classes` and \
    `pooling` into `head`; write `class_token` as `prefix: {\"cls_token\": true}` (or false), leave out a learned \
    `position` or write it as `encoder.position: {\"SinCos\": {\"dialect\": \"Mae\"}}`, and write `reduce` into \
    `encoder.reducers: [{\"reducer\": ..., \"stage\": {\"BeforeBlock\": 6}}]`";

/// What a file holds.
#[derive(Deserialize)]
struct File {
    image: [usize; 2],
    encoder: Option<EncoderConfig>,
    #[serde(default)]
    prefix: PrefixConfig,
    #[serde(default)]
    head: HeadConfig,
    #[serde(default)]
    mask_token: bool,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

impl TryFrom<File> for VitConfig {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
        let File {
            image,
            encoder,
            prefix,
            head,
            mask_token,
            others,
        } = file;
        match (encoder, others.keys().next()) {
            (Some(encoder), None) => Ok(Self {
                image,
                encoder,
                prefix,
                head,
                mask_token,
            }),
            (Some(_), Some(other)) => Err(format!("unknown field `{other}` of a ViT's config")),
            (None, _) => Err(format!("this ViT's config has no `encoder`: {MOVED}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Pooling;

    /// Written by the version before configs were nested.
    const FLAT: &str = r#"{"image":[28,28],"depth":4,"heads":4,"classes":10,"class_token":"Absent","pooling":"Mean",
        "position":"Learned","mlp_ratio":4.0,"layer_scale":null,"drop_path":0.1,"epsilon":1e-6,
        "initializer":{"XavierUniform":{"gain":1.0}},"reduce":null}"#;

    #[test]
    fn a_file_of_this_version_is_read_back() {
        let config = VitConfig::new(
            [28, 32],
            EncoderConfig::new(4, 2).with_layer_scale(Some(0.1)),
        )
        .with_prefix(PrefixConfig::new().with_registers(4))
        .with_head(HeadConfig::classes(10).with_pooling(Pooling::MeanBeforeNorm));
        let text = serde_json::to_string(&config).unwrap();
        let back: VitConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{config:?}"));
    }

    #[test]
    fn missing_settings_are_the_defaults() {
        let text = r#"{"image": [8, 8], "encoder": {"depth": 1, "heads": 2}}"#;
        let config: VitConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.prefix, PrefixConfig::default());
        assert_eq!(config.head, HeadConfig::default());
    }

    #[test]
    fn a_flat_file_is_refused_with_what_to_change() {
        let error = serde_json::from_str::<VitConfig>(FLAT)
            .unwrap_err()
            .to_string();
        assert!(error.contains("Move `depth`"), "{error}");
        let position = r#"{"image": [8, 8], "encoder": {"depth": 1, "heads": 2,
            "position": {"SinCos": {"dialect": "Mae"}}}}"#;
        assert!(serde_json::from_str::<VitConfig>(position).is_ok());
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let text = r#"{"image": [8, 8], "encoder": {"depth": 1, "heads": 2}, "heda": {}}"#;
        let error = serde_json::from_str::<VitConfig>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains("`heda`"), "{error}");
    }
}
