//! A configuration file of a hub.

use std::path::Path;

use serde_json::{Map, Value};

use crate::import::architecture::Architecture;
use crate::import::config::preparation::Preparation;
use crate::import::config::read::{Object, unsupported};
use crate::import::config::structure::structure;
use crate::import::config::{timm, transformers};
use crate::import::error::ImportError;
use crate::import::facts::Facts;
use crate::import::preset::Preset;

/// Largest configuration that is read.
const MAX_CONFIG: u64 = 16 << 20;

/// What a `config.json` says, with the `preprocessor_config.json` beside it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HubConfig {
    /// What it says of the model.
    pub facts: Facts,
    /// What its library builds with it besides, which weights say by their names and shapes.
    pub structure: Facts,
    /// How pictures become the model's input, where it says that.
    pub preparation: Option<Preparation>,
}

impl HubConfig {
    /// The model that it describes, without weights.
    ///
    /// # Errors
    ///
    /// Those of [`Facts::resolve`].
    pub fn architecture(&self) -> Result<Architecture, ImportError> {
        let all = self.facts.clone().or(self.structure.clone());
        all.resolve()
    }

    /// Reads a `config.json` and the `preprocessor_config.json` beside it, if there is one.
    ///
    /// # Errors
    ///
    /// [`ImportError::File`], and those of [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let mut config = Self::parse(&text_of(path)?).map_err(|error| match error {
            ImportError::File { reason, .. } => ImportError::file(path, reason),
            other => other,
        })?;
        config.preparation = beside(path)?.or(config.preparation);
        Ok(config)
    }

    /// How pictures become a model's input, from a `config.json` of any architecture and the `preprocessor_config.json`
    /// beside it; none if they say nothing of it.
    ///
    /// # Errors
    ///
    /// [`ImportError::File`] for a file that cannot be read or is no JSON, [`ImportError::Unsupported`] for a value that is
    /// not understood.
    pub fn preparation_of(path: impl AsRef<Path>) -> Result<Option<Preparation>, ImportError> {
        let path = path.as_ref();
        let root = object(&text_of(path)?).map_err(|reason| ImportError::file(path, reason))?;
        let root = Object(&root);
        let own = Preparation::timm(root.object("pretrained_cfg").unwrap_or(root))?;
        Ok(beside(path)?.or(own))
    }

    /// Reads the text of a `config.json`: transformers' (`model_type`) or timm's (`architecture`).
    ///
    /// # Errors
    ///
    /// [`ImportError::File`] for a text that is no such configuration, [`ImportError::Unsupported`] with the setting that
    /// is not understood.
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let refuse = |reason| ImportError::file(Path::new("config.json"), reason);
        let root = object(text).map_err(refuse)?;
        let root = Object(&root);
        if root.get("model_type").is_some() {
            let facts = transformers::facts(root)?;
            return Ok(Self {
                structure: structure(root, &facts)?,
                facts,
                preparation: None,
            });
        }
        let Some(name) = root.text("architecture")? else {
            let reason = "it has neither transformers' `model_type` nor timm's `architecture`";
            return Err(refuse(reason.to_owned()));
        };
        let name = name.split('.').next().unwrap_or(name);
        let Some(preset) = Preset::by_name(name) else {
            return Err(unsupported("architecture", name, "one of the presets"));
        };
        let mut arguments: Map<String, Value> = preset.arguments.clone();
        if let Some(own) = root.object("model_args") {
            // As in timm, what is null does not override.
            let said = own.0.iter().filter(|(_, value)| !value.is_null());
            arguments.extend(said.map(|(name, value)| (name.clone(), value.clone())));
        }
        for setting in ["num_classes", "global_pool"] {
            if let Some(value) = root.get(setting) {
                arguments.entry(setting).or_insert_with(|| value.clone());
            }
        }
        let cfg = root.object("pretrained_cfg").unwrap_or(root);
        Ok(Self {
            facts: timm::facts(&preset.family, &arguments)?,
            structure: Facts::default(),
            preparation: Preparation::timm(cfg)?,
        })
    }
}

/// What the `preprocessor_config.json` beside a configuration says, if there is one.
fn beside(config: &Path) -> Result<Option<Preparation>, ImportError> {
    let path = config.with_file_name("preprocessor_config.json");
    if !path.is_file() {
        return Ok(None);
    }
    let object = object(&text_of(&path)?).map_err(|reason| ImportError::file(&path, reason))?;
    Preparation::transformers(Object(&object))
}

fn text_of(path: &Path) -> Result<String, ImportError> {
    let failed = |error: std::io::Error| ImportError::file(path, error.to_string());
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(ImportError::file(path, "it is no regular file"));
    }
    if about.len() > MAX_CONFIG {
        return Err(ImportError::file(
            path,
            "it is too long for a configuration",
        ));
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON object: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::architecture::{Act, Biases, Pool, Rotary};

    #[test]
    fn timms_arguments_override_those_of_the_architecture() {
        let config = HubConfig::parse(
            r#"{"architecture": "vit_base_patch16_224", "num_classes": 10, "model_args": {"depth": 2, "embed_dim": 48,
            "num_heads": 3, "img_size": [32, 64], "patch_size": 8, "global_pool": "avg"},
            "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.1, 0.2, 0.3], "input_size": [3, 32, 64],
            "interpolation": "bilinear", "crop_pct": 0.9}}"#,
        )
        .unwrap();
        let arch = config.facts.resolve().unwrap();
        assert_eq!((arch.dim, arch.depth, arch.hidden), (48, 2, 192));
        assert_eq!((arch.image, arch.classes), ([32, 64], Some(10)));
        assert_eq!(
            (arch.pooling, arch.activation),
            (Pool::MeanThenNorm, Act::Gelu)
        );
        let preparation = config.preparation.unwrap();
        assert_eq!(preparation.size, [32, 64]);
        assert_eq!(preparation.std, [0.1, 0.2, 0.3]);
    }

    #[test]
    fn the_older_form_has_the_preparation_at_the_top() {
        let text = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 1000, "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5], "crop_pct": 0.9}"#;
        let config = HubConfig::parse(text).unwrap();
        assert_eq!(config.facts.heads, Some(3));
        assert_eq!(config.preparation.unwrap().crop, 0.9);
    }

    #[test]
    fn what_transformers_leaves_out_is_the_types_default_and_a_tower_is_found() {
        let text = r#"{"model_type": "clip", "text_config": {"hidden_size": 5},
            "vision_config": {"hidden_size": 1024, "num_attention_heads": 16}}"#;
        let facts = HubConfig::parse(text).unwrap().facts;
        assert_eq!((facts.dim, facts.heads), (Some(1024), Some(16)));
        assert_eq!(
            (facts.activation, facts.epsilon),
            (Some(Act::QuickGelu), Some(1e-5))
        );
    }

    #[test]
    fn what_is_null_does_not_override() {
        let text =
            r#"{"architecture": "eva02_base_patch14_224", "model_args": {"ref_feat_shape": null}}"#;
        let facts = HubConfig::parse(text).unwrap().facts;
        let Some(Some(Rotary::Axial { reference, .. })) = facts.rotary else {
            panic!("expected rotary positions");
        };
        assert_eq!(reference, Some([16, 16]));
    }

    #[test]
    fn biases_without_keys_are_those_of_eva_unless_it_is_rope() {
        let facts = |name: &str| {
            let text = format!(r#"{{"architecture": "{name}"}}"#);
            HubConfig::parse(&text).unwrap().facts
        };
        assert_eq!(
            facts("eva02_base_patch14_224").qkv_bias,
            Some(Biases::NoKey)
        );
        assert_eq!(facts("beit_base_patch16_224").qkv_bias, Some(Biases::NoKey));
        assert_eq!(
            facts("vit_base_patch16_rope_224").qkv_bias,
            Some(Biases::All)
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, word) in [
            (r#"{"model_type": "bert"}"#, "bert"),
            (r#"{"model_type": "vit", "hidden_act": "relu"}"#, "relu"),
            (r#"{"model_type": "vit", "hidden_size": -1}"#, "hidden_size"),
            (
                r#"{"model_type": "vit", "hidden_size": 1e300}"#,
                "hidden_size",
            ),
            (r#"{"architecture": "resnet50"}"#, "resnet50"),
            (r#"{"depth": 3}"#, "model_type"),
            ("[]", "no JSON object"),
        ] {
            let error = HubConfig::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
