//! What a configuration says of a hierarchical backbone, in timm's form or in transformers'.

use std::path::Path;

use burn_vit::{PvtConfig, SwinConfig, SwinVersion};
use serde_json::Value;

use crate::failure::Failure;
use crate::input::json;
use crate::model::hierarchical::kind::named;
use crate::model::levels::Backbone;

/// Largest side, width or count that a configuration may say.
const LARGEST: u64 = 1 << 16;

/// Largest side of a window: its table of offsets grows with the fourth power.
const LARGEST_WINDOW: usize = 64;

/// What a configuration says of a hierarchical backbone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// The model that is named, with what is said of it besides.
    pub(crate) backbone: Option<Backbone>,
    /// The image, where the configuration says it.
    pub(crate) image: Option<[usize; 2]>,
    /// Whether heads are said, not only the model's name.
    pub(crate) heads: bool,
}

impl Settings {
    /// Of a file.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        Self::of(&json::read(file)?).map_err(|why| Failure::file(file, why))
    }

    fn of(config: &Value) -> Result<Self, String> {
        let name = |key: &str| config.get(key).and_then(Value::as_str);
        let (said, transformers) = match name("model_type") {
            Some(family) => (Said(config), Some(family)),
            None => (Said(config.get("model_args").unwrap_or(&Value::Null)), None),
        };
        let Some(base) = transformers.or(name("architecture")).and_then(named) else {
            return Ok(Self::default());
        };
        let image = match (
            transformers,
            said.sides("image_size")?,
            said.sides("img_size")?,
        ) {
            (Some(_), image, _) => image,
            (None, _, Some(image)) => Some(image),
            (None, _, None) => input_size(config),
        };
        let classes = match transformers {
            Some(_) => labels(config),
            None => match config.get("num_classes") {
                None => Some(1000),
                Some(_) => Said(config).whole("num_classes")?,
            },
        };
        let backbone = match base {
            Backbone::Swin(base) => {
                let base = match transformers {
                    Some(_) => defaults(base),
                    None => base,
                };
                Backbone::Swin(said.swin(base, image, classes)?)
            }
            Backbone::Pvt { config, image: own } => Backbone::Pvt {
                config: said.pvt(config, classes)?,
                image: image.unwrap_or(own),
            },
        };
        Ok(Self {
            backbone: Some(backbone),
            image,
            heads: said.has("num_heads") || said.has("num_attention_heads"),
        })
    }

    /// Rows and columns of Swin's windows, and those of its pre-training.
    pub(crate) fn windows(&self) -> Option<([usize; 2], Option<[usize; 4]>)> {
        match &self.backbone {
            Some(Backbone::Swin(config)) => Some((
                config.window,
                match config.version {
                    SwinVersion::V1 => None,
                    SwinVersion::V2 { pretrained_window } => pretrained_window,
                },
            )),
            _ => None,
        }
    }
}

/// transformers' defaults.
fn defaults(config: SwinConfig) -> SwinConfig {
    SwinConfig {
        image: [224, 224],
        window: [7, 7],
        ..config
    }
}

/// timm's size of pictures: `[channels, height, width]`.
fn input_size(config: &Value) -> Option<[usize; 2]> {
    let prepared = config.get("pretrained_cfg").unwrap_or(config);
    match prepared.get("input_size")?.as_array()?.as_slice() {
        [_, height, width] => Some([whole(height)?, whole(width)?]),
        _ => None,
    }
}

/// transformers' classes, of a model that has a classifier.
fn labels(config: &Value) -> Option<usize> {
    let mut models = config.get("architectures")?.as_array()?.iter();
    let classifies = |name: &Value| {
        let name = name.as_str();
        name.is_some_and(|name| name.ends_with("ForImageClassification"))
    };
    models.any(classifies).then(|| {
        let labels = config.get("id2label").and_then(Value::as_object);
        labels.map_or(2, serde_json::Map::len)
    })
}

/// A whole number that is the side of something.
fn whole(value: &Value) -> Option<usize> {
    let side = value.as_u64().filter(|side| (1..=LARGEST).contains(side))?;
    usize::try_from(side).ok()
}

/// Settings by name.
struct Said<'a>(&'a Value);

impl Said<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn whole(&self, name: &str) -> Result<Option<usize>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        // A classifier for no classes is none.
        if name == "num_classes" && value.as_u64() == Some(0) {
            return Ok(None);
        }
        let refuse = || format!("{name}: expected a whole number from 1 to {LARGEST}, got {value}");
        whole(value).map(Some).ok_or_else(refuse)
    }

    fn list(&self, name: &str) -> Result<Option<Vec<usize>>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let sides = value
            .as_array()
            .filter(|sides| (1..=8).contains(&sides.len()));
        let sides = sides.and_then(|sides| sides.iter().map(whole).collect());
        let refuse = || format!("{name}: expected 1 to 8 whole numbers, got {value}");
        Some(sides.ok_or_else(refuse)).transpose()
    }

    /// One number for both axes, two, or transformers' names for them.
    fn sides(&self, name: &str) -> Result<Option<[usize; 2]>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        if let Some(side) = whole(value) {
            return Ok(Some([side; 2]));
        }
        let named = || Some([whole(value.get("height")?)?, whole(value.get("width")?)?]);
        let listed = || match value.as_array()?.as_slice() {
            [height, width] => Some([whole(height)?, whole(width)?]),
            _ => None,
        };
        let refuse = || format!("{name}: expected one or two whole numbers, got {value}");
        Some(named().or_else(listed).ok_or_else(refuse)).transpose()
    }

    fn swin(
        &self,
        base: SwinConfig,
        image: Option<[usize; 2]>,
        classes: Option<usize>,
    ) -> Result<SwinConfig, String> {
        let pretrained = match self.get("pretrained_window_sizes") {
            Some(sides) => {
                let sides = sides.as_array().map(Vec::as_slice);
                let each = |side: &Value| side.as_u64().filter(|side| *side <= LARGEST);
                let sides =
                    sides.and_then(|sides| sides.iter().map(each).collect::<Option<Vec<_>>>());
                let refuse = || "pretrained_window_sizes: expected whole numbers".to_owned();
                let sides = sides.ok_or_else(refuse)?;
                <[u64; 4]>::try_from(sides)
                    .ok()
                    .map(|sides| sides.map(|side| side as usize))
            }
            None => None,
        };
        let version = match base.version {
            SwinVersion::V1 => SwinVersion::V1,
            SwinVersion::V2 { pretrained_window } => SwinVersion::V2 {
                pretrained_window: pretrained
                    .or(pretrained_window)
                    .filter(|sides| *sides != [0; 4]),
            },
        };
        let window = self.sides("window_size")?.unwrap_or(base.window);
        if window.iter().any(|side| *side > LARGEST_WINDOW) {
            return Err(format!(
                "window_size: expected at most {LARGEST_WINDOW}, got {window:?}"
            ));
        }
        let ratio = self.get("mlp_ratio").and_then(Value::as_f64);
        let channels = self.whole("in_chans")?.or(self.whole("num_channels")?);
        let config = SwinConfig {
            image: image.unwrap_or(base.image),
            channels: channels.unwrap_or(base.channels),
            patch: self.whole("patch_size")?.unwrap_or(base.patch),
            dim: self.whole("embed_dim")?.unwrap_or(base.dim),
            depths: self.list("depths")?.unwrap_or(base.depths),
            heads: self.list("num_heads")?.unwrap_or(base.heads),
            window,
            mlp_ratio: ratio.unwrap_or(base.mlp_ratio),
            version,
            classes,
            ..base
        };
        equal_lengths(&[("depths", &config.depths), ("num_heads", &config.heads)])?;
        Ok(config)
    }

    fn pvt(&self, base: PvtConfig, classes: Option<usize>) -> Result<PvtConfig, String> {
        let either = |one: &str, other: &str| -> Result<Option<Vec<usize>>, String> {
            Ok(self.list(one)?.or(self.list(other)?))
        };
        let channels = self.whole("in_chans")?.or(self.whole("num_channels")?);
        let config = PvtConfig {
            channels: channels.unwrap_or(base.channels),
            dims: either("embed_dims", "hidden_sizes")?.unwrap_or(base.dims),
            depths: self.list("depths")?.unwrap_or(base.depths),
            heads: either("num_heads", "num_attention_heads")?.unwrap_or(base.heads),
            reductions: self.list("sr_ratios")?.unwrap_or(base.reductions),
            mlp_ratios: self.list("mlp_ratios")?.unwrap_or(base.mlp_ratios),
            classes,
            ..base
        };
        equal_lengths(&[
            ("widths", &config.dims),
            ("depths", &config.depths),
            ("heads", &config.heads),
            ("sr_ratios", &config.reductions),
            ("mlp_ratios", &config.mlp_ratios),
        ])?;
        Ok(config)
    }
}

/// Each list has a number for each stage.
fn equal_lengths(lists: &[(&str, &Vec<usize>)]) -> Result<(), String> {
    let stages = lists[0].1.len();
    let wrong = lists.iter().find(|(_, list)| list.len() != stages);
    wrong.map_or(Ok(()), |(name, list)| {
        Err(format!(
            "{name}: expected {stages} stages, got {}",
            list.len()
        ))
    })
}
