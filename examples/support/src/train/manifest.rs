//! What a checkpoint consists of and whose it is.

use serde::{Deserialize, Serialize};

use crate::run::digest::digest;
use crate::train::epoch_means::EpochMeans;

/// A checkpoint is whole once its manifest is there: it is written last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Id of the run.
    pub(crate) run: String,
    pub(crate) phase: String,
    /// What the phase started from, see [`Phase::start`](crate::train::Phase::start).
    pub(crate) start: String,
    pub(crate) parts: Vec<Part>,
    /// The log: every epoch up to this one.
    pub(crate) epochs: Vec<EpochMeans>,
}

/// A file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    pub(crate) sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    sha256: String,
    checkpoint: Manifest,
}

/// Id of the run that a checkpoint's manifest names; what is wrong with the manifest otherwise.
///
/// # Errors
///
/// In words: cut short, or damaged.
pub fn run_of(manifest: &[u8]) -> Result<String, String> {
    Manifest::from_json(manifest).map(|manifest| manifest.run)
}

impl Manifest {
    /// As a file holds it, with a checksum of its own.
    pub(crate) fn to_json(&self) -> String {
        let sealed = Sealed {
            sha256: self.digest(),
            checkpoint: self.clone(),
        };
        serde_json::to_string_pretty(&sealed).expect("names and plain values serialise")
    }

    /// From a file's bytes; what is wrong with them otherwise.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let sealed: Sealed =
            serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
                true => "cut short".to_owned(),
                false => format!("damaged: {error}"),
            })?;
        match sealed.sha256 == sealed.checkpoint.digest() {
            true => Ok(sealed.checkpoint),
            false => Err("damaged: its checksum differs".to_owned()),
        }
    }

    fn digest(&self) -> String {
        let text = serde_json::to_string(self).expect("names and plain values serialise");
        digest(text.as_bytes())
    }
}

impl Part {
    pub(crate) fn new(name: String, content: &[u8]) -> Self {
        Self {
            name,
            bytes: content.len(),
            sha256: digest(content),
        }
    }

    /// What is wrong with `content`, if anything.
    pub(crate) fn check(&self, content: &[u8]) -> Result<(), String> {
        let (expected, got) = (self.bytes, content.len());
        if got < expected {
            return Err(format!("cut short: expected {expected} bytes, got {got}"));
        }
        match digest(content) == self.sha256 {
            true => Ok(()),
            false => Err("damaged: its checksum differs".to_owned()),
        }
    }
}
