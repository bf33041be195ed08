//! What can go wrong, in words for the person at the terminal.

use std::path::PathBuf;

/// An error of the example.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Patch(#[from] burn_patch::Error),
    #[error(transparent)]
    Vit(#[from] burn_vit::Error),
    #[error("unknown embedding '{got}'; expected one of {expected}")]
    UnknownEmbedding { got: String, expected: String },
    #[error("data folder {0} does not exist")]
    DataMissing(PathBuf),
    #[error("data folder {path} is not usable: {why}")]
    DataFolder { path: PathBuf, why: String },
    #[error("{path} is not readable: {why}")]
    DataFile { path: PathBuf, why: String },
    #[error("output folder {path} cannot be written: {why}")]
    Output { path: PathBuf, why: String },
    #[error("--resume: no checkpoint under {0}; run without --resume first")]
    NothingToResume(PathBuf),
    #[error("checkpoint {path} does not fit the model: {why}")]
    Checkpoint { path: PathBuf, why: String },
    #[error("--resume: the checkpoint has {done} epochs behind it, expected at most {epochs}")]
    BeyondEpochs { done: usize, epochs: usize },
    #[error("training stopped: {0}")]
    Training(String),
    #[error("{0}")]
    Panicked(String),
}
