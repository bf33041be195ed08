//! What can go wrong, in words for the person at the terminal.

use std::path::PathBuf;

use crate::signal::{exit_code, name};

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
    /// A device that does not compute in a type.
    #[error("--dtype {dtype}: the device of backend '{backend}' does not compute in it")]
    NoSuchType {
        /// The backend's name.
        backend: String,
        /// The type's.
        dtype: &'static str,
    },
    /// A model cannot take these pictures.
    #[error("{model}: {why}")]
    Misfit {
        /// Its embedding and reducer.
        model: String,
        /// What it expected and got.
        why: String,
    },
    /// An MAE whose patches cannot be masked and restored.
    #[error("{model}: {why}; it trains with --task vit")]
    NoReconstruction {
        /// Its embedding and reducer.
        model: String,
        /// What it expected and got.
        why: String,
    },
    /// No such folder of data.
    #[error("{0} does not exist")]
    DataMissing(PathBuf),
    /// A folder of data without the files expected.
    #[error("{path} is not usable: {why}")]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// What was expected and got.
        why: String,
    },
    /// A picture that cannot be read any more.
    #[error("{0}, though it was whole when the program began")]
    Picture(burn_patch_data::Error),
    /// A broken file of data.
    #[error("{path} is not readable: {why}")]
    DataFile {
        /// The file.
        path: PathBuf,
        /// What was expected and got.
        why: String,
    },
    /// Results cannot be written.
    #[error("{path} cannot be written: {why}")]
    Output {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A file that another program made stands where results go.
    #[error(
        "{path} was not made by {program}, so it stays as it is; move it away or name another folder with --out"
    )]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// The program that wants to write there.
        program: &'static str,
    },
    /// Another run writes into the folder.
    #[error("another run writes into {0}; wait for it or name another folder with --out")]
    InUse(PathBuf),
    /// `--resume` without a run to go on from.
    #[error("--resume: no run under {0}; run without --resume first")]
    NothingToResume(PathBuf),
    /// `--resume` with other settings or data than the run's.
    #[error(
        "--resume: the run under {path} does not fit: {why}; run without --resume to start anew"
    )]
    OtherRun {
        /// The folder of the run.
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
    /// A loss that is NaN or infinite.
    #[error(
        "{phase}: the loss is {loss} at epoch {epoch}, step {step} ({split}), learning rate {rate:e}; {kept}"
    )]
    NotFinite {
        /// The training.
        phase: String,
        /// The loss.
        loss: f64,
        /// Epoch, from 1.
        epoch: usize,
        /// Step within it, from 1.
        step: usize,
        /// Training or held-out pictures.
        split: &'static str,
        /// Learning rate of the step.
        rate: f64,
        /// What is there to go on from.
        kept: String,
    },
    /// Training ended early.
    #[error("training stopped: {0}")]
    Training(String),
    /// Devices that cannot train together.
    #[error("--devices: {0}")]
    Devices(String),
    /// A device that cannot be served.
    #[error("serve: {0}")]
    Serve(String),
    /// A device that was served, and is no more.
    #[error(
        "{device} no longer answers ({why}); the same command with --resume and other --devices goes on from the last whole epoch"
    )]
    Lost {
        /// Its name.
        device: String,
        /// What its address says.
        why: String,
    },
    /// A model's folder that cannot be used.
    #[error("model {path}: {why}")]
    Model {
        /// The folder or file.
        path: PathBuf,
        /// What was expected and got.
        why: String,
    },
    /// A signal, or the terminal view, asked the program to stop.
    #[error("stopped by {}; the same command with --resume goes on from the last whole epoch", name(*signal))]
    Stopped {
        /// Its number.
        signal: i32,
    },
    /// As [`Error::Stopped`], where there is nothing to go on from.
    #[error("stopped by {}; {note}", name(*signal))]
    Ended {
        /// Its number.
        signal: i32,
        /// What is there.
        note: String,
    },
    /// A panic below Burn's interface.
    #[error("{0}")]
    Panicked(String),
}

impl Error {
    /// A file that cannot be written.
    pub(crate) fn output(path: &std::path::Path, why: impl std::fmt::Display) -> Self {
        Self::Output {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }

    /// What the program ends with: 2 for a wrong command line, as clap has it, 128 + its number for a signal, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Patch(burn_patch::Error::UnknownBackend { .. }) | Self::Devices(_) => 2,
            Self::Stopped { signal } | Self::Ended { signal, .. } => exit_code(*signal),
            _ => 1,
        }
    }

    /// Says `note` in place of how to resume, for what cannot be resumed.
    #[must_use]
    pub fn ended(self, note: impl Into<String>) -> Self {
        match self {
            Self::Stopped { signal } => Self::Ended {
                signal,
                note: note.into(),
            },
            error => error,
        }
    }
}
