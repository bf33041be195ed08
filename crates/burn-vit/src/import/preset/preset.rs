//! A published architecture.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::import::architecture::Architecture;
use crate::import::config::preparation::Preparation;
use crate::import::config::read::Object;
use crate::import::config::timm;
use crate::import::error::ImportError;
use crate::import::facts::Facts;

/// A published architecture by timm's name, as `make_presets.py` wrote it down.
///
/// ```
/// use burn_vit::import::{Preset, parameters};
///
/// let preset = Preset::by_name("vit_base_patch16_224").unwrap();
/// let arch = preset.architecture().unwrap();
/// assert_eq!((arch.dim, arch.cells(), parameters(&arch)), (768, 196, 86_567_656));
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Preset {
    /// The constructor: `vit`, `deit`, `beit`, `eva` or `naflexvit`.
    pub family: String,
    /// Its arguments.
    #[serde(rename = "args")]
    pub arguments: Map<String, Value>,
    /// Parameters of the model with `classes`, as timm counts them.
    pub parameters: usize,
    /// Classes of its published weights; 0: none.
    pub classes: usize,
    /// The preparation of inputs by the tag of published weights; the empty tag is the default.
    weights: BTreeMap<String, Map<String, Value>>,
}

static PRESETS: LazyLock<BTreeMap<String, Preset>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("presets.json")).expect("presets.json as its script wrote it")
});

impl Preset {
    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.keys().map(String::as_str)
    }

    /// The preset called `name`, a tag behind a full stop left out; none if there is none.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        PRESETS.get(name.split('.').next()?)
    }

    /// Its architecture.
    ///
    /// # Errors
    ///
    /// Those of [`Facts::resolve`](crate::import::Facts::resolve).
    pub fn architecture(&self) -> Result<Architecture, ImportError> {
        self.facts()?.resolve()
    }

    /// What it says of a model.
    pub(crate) fn facts(&self) -> Result<Facts, ImportError> {
        let mut arguments = self.arguments.clone();
        if !arguments.contains_key("img_size")
            && let Some(Value::Array(size)) = self.weights[""].get("input_size")
        {
            arguments.insert("img_size".to_owned(), Value::Array(size[1..].to_vec()));
        }
        arguments
            .entry("num_classes")
            .or_insert_with(|| self.classes.into());
        timm::facts(&self.family, &arguments)
    }

    /// How pictures become the input of the published weights with this tag, empty for the default; none if there is no
    /// such tag.
    pub fn preparation(&self, tag: &str) -> Option<Preparation> {
        let cfg = self.weights.get(tag)?;
        Preparation::timm(Object(cfg)).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::part::parameters;

    #[test]
    fn every_architecture_has_as_many_parameters_as_timm_counts() {
        let mut wrong = Vec::new();
        for name in Preset::names() {
            let preset = Preset::by_name(name).unwrap();
            match preset.architecture() {
                Err(error) => wrong.push(format!("{name}: {error}")),
                Ok(arch) if parameters(&arch) != preset.parameters => {
                    let counted = parameters(&arch);
                    wrong.push(format!("{name}: {counted}, timm {}", preset.parameters));
                }
                Ok(_) => {}
            }
        }
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert!(Preset::names().count() > 150);
    }

    #[test]
    fn weights_have_their_preparation_by_tag() {
        let preset = Preset::by_name("vit_base_patch16_224").unwrap();
        let augreg = preset.preparation("augreg_in1k").unwrap();
        assert_eq!((augreg.mean, augreg.crop), (vec![0.5; 3], 0.9));
        let mae = preset.preparation("mae").unwrap();
        assert_eq!(mae.mean, [0.485, 0.456, 0.406]);
        assert_eq!(preset.preparation("no_such_tag"), None);
        assert_eq!(Preset::by_name("no_such_vit"), None);
    }
}
