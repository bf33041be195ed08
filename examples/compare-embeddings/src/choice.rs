//! A row of the table by name.

use std::sync::LazyLock;

use burn_patch::embed::EMBEDDINGS;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use support::{TinyModel, reducers};

/// An embedding of the catalogue, or a reducer in the middle of the ViT over linear patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What the command line and reports call it.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) summary: &'static str,
    pub(crate) model: TinyModel,
}

static CHOICES: LazyLock<Vec<Choice>> = LazyLock::new(|| {
    let embeddings = EMBEDDINGS.iter().map(|entry| Choice {
        name: entry.name,
        summary: entry.summary,
        model: TinyModel {
            embedding: entry.name,
            reducer: None,
        },
    });
    let reducers = reducers().iter().map(|entry| Choice {
        name: entry.name,
        summary: entry.summary,
        model: TinyModel {
            embedding: "linear",
            reducer: Some(entry.name),
        },
    });
    embeddings.chain(reducers).collect()
});

impl ValueEnum for Choice {
    fn value_variants<'a>() -> &'a [Self] {
        &CHOICES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name).help(self.summary))
    }
}
