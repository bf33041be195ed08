//! What config.json beside a model holds.

use std::collections::BTreeMap;
use std::mem::discriminant;

use burn_patch::embed::AnyPatchEmbedConfig;
use burn_patch::position::{AnyPositionConfig, POSITIONS};
use burn_vit::{MaeConfig, VitConfig};
use serde::{Deserialize, Serialize};
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

/// What the catalogue calls a position encoding.
fn name_of(position: &AnyPositionConfig) -> &'static str {
    let same = |name: &str| {
        AnyPositionConfig::by_name(name)
            .is_some_and(|config| discriminant(&config) == discriminant(position))
    };
    let entry = POSITIONS.iter().find(|entry| same(entry.name));
    entry.expect("every encoding is in the catalogue").name
}
