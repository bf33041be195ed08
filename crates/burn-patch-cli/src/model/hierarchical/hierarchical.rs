//! Swin and PVT v2 with timm's weights.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::Device;
use burn_vit::import::{Checkpoint, HubConfig, Preparation};
use burn_vit::{Pvt, Swin};

use crate::array::{Array, Arrays};
use crate::failure::Failure;
use crate::model::hierarchical::described::Described;
use crate::model::hierarchical::kind::Kind;
use crate::model::hierarchical::settings::Settings;
use crate::model::levels::Backbone;
use crate::model::run::Model;

/// Stored tensors that follow from the configuration.
const DERIVED: &[&str] = &[
    "relative_position_index",
    "relative_coords_table",
    "attn_mask",
];

/// A hierarchical backbone, not loaded yet.
pub(crate) struct Hierarchical {
    kind: Kind,
    checkpoint: Checkpoint,
    config: Option<PathBuf>,
}

/// The backbone if the weights are those of one.
pub(crate) fn find(weights: &Path, config: Option<&Path>) -> Result<Option<Hierarchical>, Failure> {
    let opened = Checkpoint::open(weights);
    let checkpoint = opened.map_err(|error| Failure::import(weights, &error))?;
    let has = |name: &str| checkpoint.entry(name).is_some();
    let swin = has("layers.0.blocks.0.attn.qkv.weight") && has("patch_embed.proj.weight");
    let kind = if swin && has("layers.0.blocks.0.attn.logit_scale") {
        Kind::SwinV2
    } else if swin {
        Kind::Swin
    } else if has("stages.0.blocks.0.attn.kv.weight") && has("patch_embed.proj.weight") {
        Kind::Pvt
    } else {
        return Ok(None);
    };
    let beside = checkpoint.path().with_file_name("config.json");
    let config = config.map(Path::to_owned);
    let config = config.or_else(|| beside.is_file().then_some(beside));
    Ok(Some(Hierarchical {
        kind,
        checkpoint,
        config,
    }))
}

impl Hierarchical {
    /// Its settings, as names, shapes and the configuration say.
    pub(crate) fn backbone(&self) -> Result<Backbone, Failure> {
        let described = Described {
            checkpoint: &self.checkpoint,
            settings: match &self.config {
                Some(config) => Settings::read(config)?,
                None => Settings::default(),
            },
        };
        let backbone = match self.kind {
            Kind::Swin | Kind::SwinV2 => described.swin().map(Backbone::Swin),
            Kind::Pvt => described.pvt(),
        };
        backbone.map_err(|why| Failure::file(self.checkpoint.path(), why))
    }

    /// Its tensors but for those that follow from the configuration, in single precision.
    pub(crate) fn arrays(&self) -> Result<Arrays, Failure> {
        let derived = |name: &str| DERIVED.iter().any(|end| name.ends_with(end));
        let mut arrays = Arrays::default();
        for entry in self
            .checkpoint
            .entries()
            .filter(|entry| !derived(&entry.name))
        {
            let array = Array::read(&self.checkpoint, entry)?;
            arrays.0.insert(entry.name.clone(), array);
        }
        Ok(arrays)
    }

    /// The model with its weights.
    pub(crate) fn load(&self, device: &Device) -> Result<Model, Failure> {
        let refuse = |why| Failure::file(self.checkpoint.path(), why);
        built(&self.backbone()?, &self.arrays()?, device).map_err(refuse)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// How pictures become its input, where the configuration says that.
    pub(crate) fn preparation(&self) -> Result<Option<Preparation>, Failure> {
        match &self.config {
            Some(config) => {
                HubConfig::preparation_of(config).map_err(|error| Failure::import(config, &error))
            }
            None => Ok(None),
        }
    }
}

/// The model of `backbone` with these weights.
pub(crate) fn built(
    backbone: &Backbone,
    weights: &Arrays,
    device: &Device,
) -> Result<Model, String> {
    let refuse = |error: burn_vit::Error| error.to_string();
    match backbone {
        Backbone::Swin(config) => {
            let mut swin = config.try_init(device).map_err(refuse)?;
            fill(&mut swin, weights, Swin::TIMM_NAMES)?;
            Ok(Model::Swin(swin))
        }
        Backbone::Pvt { config, .. } => {
            let mut pvt = config.try_init(device).map_err(refuse)?;
            fill(&mut pvt, weights, Pvt::TIMM_NAMES)?;
            Ok(Model::Pvt(pvt))
        }
    }
}

fn fill<M: Module>(model: &mut M, weights: &Arrays, names: &[(&str, &str)]) -> Result<(), String> {
    let store = SafetensorsStore::from_bytes(Some(weights.to_bytes()?))
        .with_from_adapter(PyTorchToBurnAdapter)
        .skip_enum_variants(true)
        .allow_partial(true);
    let mut store = names.iter().fold(store, |store, (theirs, ours)| {
        store.with_key_remapping(*theirs, *ours)
    });
    let report = model
        .load_from(&mut store)
        .map_err(|error| error.to_string())?;
    if report.unused.is_empty() && report.missing.is_empty() && report.errors.is_empty() {
        return Ok(());
    }
    Err(format!(
        "missing: {:?}; unused: {:?}; wrong: {:?}",
        report.missing, report.unused, report.errors
    ))
}
