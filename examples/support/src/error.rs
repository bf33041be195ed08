//! What can go wrong, in words for the person at the terminal.

use std::path::PathBuf;

/// An error of an example.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A backend, a mask or another part of burn-patch refuses.
    #[error(transparent)]
    Patch(#[from] burn_patch::Error),
    /// A model refuses.
    #[error(transparent)]
    Vit(#[from] burn_vit::Error),
    /// A model cannot take these pictures.
    #[error("{model}: {why}")]
    Misfit {
        /// Its embedding and reducer.
        model: String,
        /// What it expected and got.
        why: burn_vit::Error,
    },
    /// An MAE whose patches cannot be masked and restored.
    #[error("{model}: {why}; it trains with --task vit")]
    NoReconstruction {
        /// Its embedding and reducer.
        model: String,
        /// What it expected and got.
        why: burn_vit::Error,
    },
    /// No such folder of data.
    #[error("data folder {0} does not exist")]
    DataMissing(PathBuf),
    /// A folder of data without the files expected.
    #[error("data folder {path} is not usable: {why}")]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// What was expected and got.
        why: String,
    },
    /// A broken file of data.
    #[error("{path} is not readable: {why}")]
    DataFile {
        /// The file.
        path: PathBuf,
        /// What was expected and got.
        why: String,
    },
    /// Results cannot be written.
    #[error("output folder {path} cannot be written: {why}")]
    Output {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// `--resume` without a run to go on from.
    #[error("--resume: no checkpoint under {0}; run without --resume first")]
    NothingToResume(PathBuf),
    /// A checkpoint of another model or run.
    #[error("checkpoint {path} does not fit the model: {why}")]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What was expected and got.
        why: String,
    },
    /// `--resume` with fewer epochs than there are.
    #[error("--resume: the checkpoint has {done} epochs behind it, expected at most {epochs}")]
    BeyondEpochs {
        /// Epochs that the checkpoint has behind it.
        done: usize,
        /// Epochs asked for.
        epochs: usize,
    },
    /// Training ended early.
    #[error("training stopped: {0}")]
    Training(String),
    /// A panic below Burn's interface.
    #[error("{0}")]
    Panicked(String),
}
