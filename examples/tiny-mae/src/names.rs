//! Names of embeddings, positions and reducers on the command line.

use std::ffi::OsStr;

use burn_patch::CatalogueEntry;
use burn_patch::embed::EMBEDDINGS;
use burn_patch::position::POSITIONS;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use support::reducers;

/// Takes the names of one catalogue, lists each with what it does, and answers a name of the other catalogue with the
/// option that takes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    taken: &'static [CatalogueEntry],
    elsewhere: &'static [CatalogueEntry],
    /// The option for `elsewhere`, and what kind of thing it takes.
    option: [&'static str; 2],
}

impl Names {
    pub(crate) fn embeddings() -> Self {
        Self {
            taken: EMBEDDINGS,
            elsewhere: reducers(),
            option: ["--reduce", "a reducer"],
        }
    }

    pub(crate) fn positions() -> Self {
        Self {
            taken: POSITIONS,
            elsewhere: EMBEDDINGS,
            option: ["--embed", "an embedding"],
        }
    }

    pub(crate) fn reducers() -> Self {
        Self {
            taken: reducers(),
            elsewhere: EMBEDDINGS,
            option: ["--embed", "an embedding"],
        }
    }

    fn values(self) -> impl Iterator<Item = PossibleValue> {
        let value = |entry: &CatalogueEntry| PossibleValue::new(entry.name).help(entry.summary);
        self.taken.iter().map(value)
    }
}

impl TypedValueParser for Names {
    type Value = &'static str;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        if let Some(entry) = self.elsewhere.iter().find(|entry| entry.name == value) {
            let ([option, kind], name) = (self.option, entry.name);
            let message = format!("'{name}' is {kind}: use {option} {name}\n");
            return Err(Error::raw(ErrorKind::InvalidValue, message).with_cmd(command));
        }
        let names = PossibleValuesParser::new(self.values());
        let name = names.parse_ref(command, arg, value)?;
        let entry = self.taken.iter().find(|entry| entry.name == name);
        Ok(entry.expect("one of the names").name)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.values()))
    }
}
