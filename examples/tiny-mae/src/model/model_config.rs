//! What config.json beside a model holds.

use std::collections::BTreeMap;
use std::mem::discriminant;

use burn_patch::embed::AnyPatchEmbedConfig;
use burn_patch::position::{AnyPositionConfig, POSITIONS};
use burn_vit::{MaeConfig, VitConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use support::data::Split;
use support::{PATCH, TinyModel};

/// All that a model's weights do not say: in words for people and other programs, and as the configs that build it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ModelConfig {
    library: String,
    /// Of the library.
    version: String,
    /// `vit` or `mae`.
    pub(crate) architecture: String,
    /// Height and width in pixels.
    pub(crate) image_size: [usize; 2],
    pub(crate) channels: usize,
    /// Height and width in pixels.
    patch_size: [usize; 2],
    depth: usize,
    heads: usize,
    embedding: String,
    position: String,
    reducer: Option<String>,
    normalisation: Normalisation,
    pub(crate) num_classes: usize,
    /// By label.
    pub(crate) classes: Vec<String>,
    /// Id of the run that trained it.
    run: String,
    /// SHA-256 of the files beside this one.
    pub(crate) files: BTreeMap<String, String>,
    /// What builds the embedding.
    pub(crate) embedding_config: AnyPatchEmbedConfig,
    /// What builds the classifier around it; none for an MAE.
    pub(crate) vit: Option<VitConfig>,
    /// What builds the MAE around it; none for a classifier.
    pub(crate) mae: Option<MaeConfig>,
}

/// `(value − mean)/std` of pixels in 0..1, for each channel.
#[derive(Debug, Serialize, Deserialize)]
struct Normalisation {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl ModelConfig {
    /// That of the classifier.
    pub(crate) fn vit(model: TinyModel, split: &Split, run: &str) -> Self {
        let (embedding, vit) = model.vit_config(split);
        let mut config = Self::new("vit", model, split, run, embedding, &vit);
        config.num_classes = split.classes.len();
        config.classes = split.classes.clone();
        config.vit = Some(vit);
        config
    }

    /// That of the masked autoencoder.
    pub(crate) fn mae(model: TinyModel, split: &Split, run: &str) -> Self {
        let (embedding, mae) = model.mae_config(split);
        let mut config = Self::new("mae", model, split, run, embedding, &mae.vit);
        config.mae = Some(mae);
        config
    }

    /// The classifier's config, if the words for people say the same, and no size is larger than the weights have bytes.
    pub(crate) fn classifier(&self, weights: usize) -> Result<&VitConfig, String> {
        let Some(vit) = &self.vit else {
            let got = &self.architecture;
            return Err(format!("expected a vit, got {got}: it names no classes"));
        };
        let classes = vit.head.classes.unwrap_or(0);
        for (word, agrees) in [
            ("image_size", self.image_size == vit.image),
            ("depth", self.depth == vit.encoder.depth),
            ("heads", self.heads == vit.encoder.heads),
            ("num_classes", self.num_classes == classes && classes > 0),
            ("classes", self.classes.len() == classes),
        ] {
            if !agrees {
                return Err(format!("{word} is not what its vit has"));
            }
        }
        let all = serde_json::to_value(self).expect("plain settings serialise");
        can_have(largest(&all), weights)?;
        Ok(vit)
    }

    fn new(
        architecture: &str,
        model: TinyModel,
        split: &Split,
        run: &str,
        embedding_config: AnyPatchEmbedConfig,
        vit: &VitConfig,
    ) -> Self {
        let channels = split.train.channels;
        Self {
            library: "burn-patch".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: architecture.to_owned(),
            image_size: split.train.size,
            channels,
            patch_size: [PATCH; 2],
            depth: vit.encoder.depth,
            heads: vit.encoder.heads,
            embedding: model.embedding.to_owned(),
            position: name_of(&vit.encoder.position).to_owned(),
            reducer: model.reducer.map(str::to_owned),
            normalisation: Normalisation {
                mean: vec![0.5; channels],
                std: vec![0.5; channels],
            },
            num_classes: 0,
            classes: vec![],
            run: run.to_owned(),
            files: BTreeMap::new(),
            embedding_config,
            vit: None,
            mae: None,
        }
    }
}

/// Whether a size can be that of a model whose weights have so many bytes: a larger one is a mistake that would take all
/// memory.
pub(crate) fn can_have(size: u64, weights: usize) -> Result<(), String> {
    if size > weights as u64 {
        let why = format!("a size of {size}, which {weights} bytes of weights cannot have");
        return Err(why);
    }
    Ok(())
}

/// The largest whole number anywhere.
fn largest(value: &Value) -> u64 {
    let inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Number(number) => return number.as_u64().unwrap_or(0),
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(values) => Box::new(values.values()),
        _ => return 0,
    };
    inner.map(largest).max().unwrap_or(0)
}

/// What the catalogue calls a position encoding.
fn name_of(position: &AnyPositionConfig) -> &'static str {
    let same = |name: &str| {
        AnyPositionConfig::by_name(name)
            .is_some_and(|config| discriminant(&config) == discriminant(position))
    };
    let entry = POSITIONS.iter().find(|entry| same(entry.name));
    entry.expect("every encoding is in the catalogue").name
}
