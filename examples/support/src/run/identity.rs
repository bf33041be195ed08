//! What makes a run the run that it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::digest::digest;

/// The settings, the seed and the data of a run: all that its results depend on, but for how long it trains. Every
/// checkpoint carries its [id](Self::id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The program.
    pub program: String,
    /// By name; one of them is the digest of the data.
    pub settings: BTreeMap<String, Value>,
}

impl Identity {
    /// The identity of a run of `program`.
    pub fn new(program: &str, settings: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let settings = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Self {
            program: program.to_owned(),
            settings: settings.collect(),
        }
    }

    /// A name for it that no other run shares.
    pub fn id(&self) -> String {
        let text = serde_json::to_string(self).expect("names and plain values serialise");
        digest(text.as_bytes())
    }

    /// In words, what `got` has otherwise.
    pub(crate) fn difference(&self, got: &Self) -> String {
        let shown = |identity: &Self, name: &str| match identity.settings.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "none".to_owned(),
            Some(value) => value.to_string(),
        };
        let names = self.settings.keys().chain(got.settings.keys());
        let mut differences: Vec<String> = names
            .filter(|name| self.settings.get(*name) != got.settings.get(*name))
            .map(|name| {
                format!(
                    "expected {name} {}, got {}",
                    shown(self, name),
                    shown(got, name)
                )
            })
            .collect();
        differences.sort();
        differences.dedup();
        if self.program != got.program {
            differences.insert(
                0,
                format!("expected a run of {}, got {}", self.program, got.program),
            );
        }
        differences.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(seed: u64, reducer: Option<&str>) -> Identity {
        Identity::new("test", [("seed", seed.into()), ("reducer", reducer.into())])
    }

    #[test]
    fn identities_with_another_setting_have_another_id_and_say_which() {
        let first = identity(0, None);
        assert_eq!(first.id(), identity(0, None).id());
        assert_ne!(first.id(), identity(1, None).id());
        assert_eq!(
            first.difference(&identity(1, Some("query-pool"))),
            "expected reducer none, got query-pool; expected seed 0, got 1"
        );
    }
}
