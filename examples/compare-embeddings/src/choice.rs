//! A row of a table by name.

use std::sync::LazyLock;

use burn_patch::CatalogueEntry;
use burn_patch::embed::EMBEDDINGS;
use burn_patch::position::POSITIONS;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Serialize;
use support::{TinyModel, reducers};

/// What differs from the other rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Embedding,
    Position,
    Reducer,
}

/// An embedding of the catalogue with the usual positions, or positions or a reducer in the ViT over linear patches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    pub(crate) kind: Kind,
    /// What the command line and reports call it.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) summary: &'static str,
    pub(crate) model: TinyModel,
}

static CHOICES: LazyLock<Vec<Choice>> = LazyLock::new(|| {
    let linear = TinyModel::over("linear");
    let choice = |kind: Kind, entry: &CatalogueEntry, model: TinyModel| Choice {
        kind,
        name: entry.name,
        summary: entry.summary,
        model,
    };
    let embeddings = EMBEDDINGS
        .iter()
        .map(|entry| choice(Kind::Embedding, entry, TinyModel::over(entry.name)));
    let positions = POSITIONS.iter().map(|entry| {
        let position = entry.name;
        choice(Kind::Position, entry, TinyModel { position, ..linear })
    });
    let reducers = reducers().iter().map(|entry| {
        let reducer = Some(entry.name);
        choice(Kind::Reducer, entry, TinyModel { reducer, ..linear })
    });
    embeddings.chain(positions).chain(reducers).collect()
});

impl ValueEnum for Choice {
    fn value_variants<'a>() -> &'a [Self] {
        &CHOICES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name).help(self.summary))
    }
}
