//! Swin and PVT v2 with timm's weights.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::Device;
use burn_vit::import::{Checkpoint, HubConfig, Preparation};
use burn_vit::{PvtConfig, SwinConfig, SwinVersion};
use serde_json::Value;

use crate::failure::Failure;
use crate::model::levels::Backbone;
use crate::model::run::Model;

/// timm's names of Swin, as patterns, and ours.
const SWIN: &[(&str, &str)] = &[
    (r"^layers\.(\d+)\.downsample\.", "patch_embed.levels.$1."),
    (r"^layers\.(\d+)\.blocks\.", "stages.$1.blocks."),
    (r"^patch_embed\.(proj|norm)\.", "patch_embed.levels.0.$1."),
    (
        r"attn\.relative_position_bias_table$",
        "position.relative_position_bias_table.0",
    ),
    (r"attn\.cpb_mlp\.0\.", "position.fc1.0."),
    (r"attn\.cpb_mlp\.2\.", "position.fc2.0."),
    (r"^head\.fc\.", "head."),
];

/// Those of PVT v2.
const PVT: &[(&str, &str)] = &[
    (r"^stages\.(\d+)\.downsample\.", "patch_embed.levels.$1."),
    (r"^patch_embed\.(proj|norm)\.", "patch_embed.levels.0.$1."),
    (r"attn\.sr\.", "attn.sr.proj."),
    (r"attn\.norm\.", "attn.sr.norm."),
];

/// Stored tensors that follow from the configuration.
const DERIVED: &[&str] = &[
    "relative_position_index",
    "relative_coords_table",
    "attn_mask",
];

/// Most stages, and largest side that a configuration may say.
const STAGES: usize = 8;
const LARGEST: u64 = 1 << 16;

/// A whole number that is the side of something.
fn whole(value: &Value) -> Option<usize> {
    let side = value.as_u64().filter(|side| (1..=LARGEST).contains(side))?;
    usize::try_from(side).ok()
}

/// Which backbone the names are those of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Swin,
    Pvt,
}

/// Names and shapes, and what the configuration says.
struct Described<'a> {
    checkpoint: &'a Checkpoint,
    config: Value,
}

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
    let kind = if has("layers.0.blocks.0.attn.qkv.weight") && has("patch_embed.proj.weight") {
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

/// Refuses the weights of a hierarchical backbone, for a command that takes others.
pub(crate) fn refuse(weights: &Path, command: &str) -> Result<(), Failure> {
    match find(weights, None)? {
        None => Ok(()),
        Some(_) => Err(Failure::file(
            weights,
            format_args!("{command} takes plain vision transformers, not Swin or PVT v2"),
        )),
    }
}

impl Hierarchical {
    /// Its settings, as names, shapes and the configuration say.
    pub(crate) fn backbone(&self) -> Result<Backbone, Failure> {
        let described = Described {
            checkpoint: &self.checkpoint,
            config: match &self.config {
                Some(config) => read(config)?,
                None => Value::Null,
            },
        };
        let backbone = match self.kind {
            Kind::Swin => described.swin().map(Backbone::Swin),
            Kind::Pvt => described.pvt(),
        };
        backbone.map_err(|why| Failure::file(self.checkpoint.path(), why))
    }

    /// The model with its weights.
    pub(crate) fn load(&self, device: &Device) -> Result<Model, Failure> {
        let path = self.checkpoint.path();
        let refuse = |error: burn_vit::Error| Failure::file(path, error);
        match self.backbone()? {
            Backbone::Swin(config) => {
                let mut swin = config.try_init(device).map_err(refuse)?;
                fill(&mut swin, path, SWIN)?;
                Ok(Model::Swin(swin))
            }
            Backbone::Pvt { config, .. } => {
                let mut pvt = config.try_init(device).map_err(refuse)?;
                fill(&mut pvt, path, PVT)?;
                Ok(Model::Pvt(pvt))
            }
        }
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

fn read(config: &Path) -> Result<Value, Failure> {
    let text = fs::read_to_string(config).map_err(|error| Failure::file(config, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::file(config, format_args!("it is no JSON: {error}")))
}

fn fill<M: Module>(model: &mut M, path: &Path, names: &[(&str, &str)]) -> Result<(), Failure> {
    let store = SafetensorsStore::from_file(path)
        .with_from_adapter(PyTorchToBurnAdapter)
        .skip_enum_variants(true)
        .allow_partial(true);
    let mut store = names.iter().fold(store, |store, (theirs, ours)| {
        store.with_key_remapping(*theirs, *ours)
    });
    let applied = model.load_from(&mut store);
    let report = applied.map_err(|error| Failure::file(path, error))?;
    let derived = |name: &&String| DERIVED.iter().any(|end| name.ends_with(end));
    let unused: Vec<&String> = report.unused.iter().filter(|name| !derived(name)).collect();
    if !(unused.is_empty() && report.missing.is_empty() && report.errors.is_empty()) {
        return Err(Failure::file(
            path,
            format_args!(
                "missing: {:?}; unused: {unused:?}; wrong: {:?}",
                report.missing, report.errors
            ),
        ));
    }
    Ok(())
}

impl Described<'_> {
    fn shape(&self, name: &str) -> Result<&[usize], String> {
        let entry = self.checkpoint.entry(name);
        let entry = entry.ok_or_else(|| format!("there is no tensor '{name}'"))?;
        Ok(&entry.shape)
    }

    /// The side of a tensor's axis.
    fn side(&self, name: &str, axis: usize) -> Result<usize, String> {
        let side = self.shape(name)?.get(axis).copied();
        let side = side.filter(|side| (1..=1 << 20).contains(side));
        side.ok_or_else(|| format!("'{name}' has a shape that no such model has"))
    }

    fn classes(&self, name: &str) -> Option<usize> {
        self.side(name, 0).ok()
    }

    /// Blocks of each stage, by the norm that each has.
    fn depths(&self, stages: &str) -> Vec<usize> {
        let has = |stage: usize, block: usize| {
            let name = format!("{stages}.{stage}.blocks.{block}.norm1.weight");
            self.checkpoint.entry(&name).is_some()
        };
        let depth = |stage| (0..).take_while(|block| has(stage, *block)).count();
        let stages = (0..STAGES).map(depth);
        stages.take_while(|depth| *depth > 0).collect()
    }

    /// An argument of timm's constructor.
    fn argument(&self, name: &str) -> Option<&Value> {
        self.config.get("model_args")?.get(name)
    }

    fn swin(&self) -> Result<SwinConfig, String> {
        let depths = self.depths("layers");
        let second = self
            .checkpoint
            .entry("layers.0.blocks.0.attn.logit_scale")
            .is_some();
        let per_head = match second {
            true => ("logit_scale", 0),
            false => ("relative_position_bias_table", 1),
        };
        let heads = (0..depths.len()).map(|stage| {
            self.side(
                &format!("layers.{stage}.blocks.0.attn.{}", per_head.0),
                per_head.1,
            )
        });
        let heads = heads.collect::<Result<Vec<_>, _>>()?;
        let window = match second {
            true => self.window().ok_or(
                "the window is open: the weights do not say it; expected a config.json with window_size",
            )?,
            false => {
                let rows = self.side("layers.0.blocks.0.attn.relative_position_bias_table", 0)?;
                rows.isqrt().div_ceil(2)
            }
        };
        let dim = self.side("patch_embed.proj.weight", 0)?;
        let config = SwinConfig::new(self.image(), dim, depths, heads)
            .with_window([window; 2])
            .with_classes(self.classes("head.fc.weight"));
        let hidden = self.side("layers.0.blocks.0.mlp.fc1.weight", 0)?;
        Ok(SwinConfig {
            channels: self.side("patch_embed.proj.weight", 1)?,
            patch: self.side("patch_embed.proj.weight", 2)?,
            mlp_ratio: hidden as f64 / dim as f64,
            version: match second {
                true => SwinVersion::V2 {
                    pretrained_window: self.pretrained(),
                },
                false => SwinVersion::V1,
            },
            ..config
        })
    }

    /// From the arguments, or from the name: `swinv2_tiny_window8_256`.
    fn window(&self) -> Option<usize> {
        if let Some(window) = self.argument("window_size").and_then(whole) {
            return Some(window);
        }
        let name = self.config.get("architecture")?.as_str()?;
        let sides = name.split("window").nth(1)?;
        let digits = sides.split(|c: char| !c.is_ascii_digit()).next()?;
        // Of `window12to16` the second is the model's own.
        let to = sides[digits.len()..].strip_prefix("to");
        let own = to.map_or(digits, |to| to.split('_').next().unwrap_or(to));
        own.parse().ok().filter(|side| (1..=1 << 16).contains(side))
    }

    fn pretrained(&self) -> Option<[usize; 4]> {
        let sides = self.argument("pretrained_window_sizes")?.as_array()?;
        let sides = sides.iter().map(whole);
        let sides: Vec<usize> = sides.collect::<Option<_>>()?;
        sides.try_into().ok().filter(|sides| *sides != [0; 4])
    }

    /// The size that it was made for.
    fn image(&self) -> [usize; 2] {
        let sides = |value: &Value, skip: usize| -> Option<[usize; 2]> {
            let sides = value.as_array()?.iter().skip(skip);
            let sides = sides.map(whole);
            sides.collect::<Option<Vec<_>>>()?.try_into().ok()
        };
        let cfg = self.config.get("pretrained_cfg").unwrap_or(&self.config);
        self.argument("img_size")
            .and_then(|size| whole(size).map(|side| [side; 2]).or_else(|| sides(size, 0)))
            .or_else(|| sides(cfg.get("input_size")?, 1))
            .unwrap_or([224, 224])
    }

    fn pvt(&self) -> Result<Backbone, String> {
        let depths = self.depths("stages");
        let count = depths.len();
        let at = |stage: usize, name: &str| format!("stages.{stage}.blocks.0.{name}.weight");
        let dims = (0..count).map(|stage| self.side(&at(stage, "norm1"), 0));
        let dims = dims.collect::<Result<Vec<_>, _>>()?;
        let hidden = (0..count).map(|stage| self.side(&at(stage, "mlp.fc1"), 0));
        let hidden = hidden.collect::<Result<Vec<_>, _>>()?;
        let reduction = |stage| self.side(&at(stage, "attn.sr"), 2).unwrap_or(1);
        let said = self.argument("num_heads").and_then(Value::as_array);
        let heads: Option<Vec<usize>> = match said {
            Some(said) => said.iter().map(whole).collect(),
            // Those of all published models.
            None => Some(vec![1, 2, 5, 8]),
        };
        let config = PvtConfig {
            channels: self.side("patch_embed.proj.weight", 1)?,
            mlp_ratios: hidden.iter().zip(&dims).map(|(h, dim)| h / dim).collect(),
            reductions: (0..count).map(reduction).collect(),
            heads: heads.ok_or("num_heads: expected whole numbers")?,
            depths,
            dims,
            drop_path: 0.0,
            classes: self.classes("head.weight"),
        };
        Ok(Backbone::Pvt {
            config,
            image: self.image(),
        })
    }
}
