//! Why the program stops.

use std::fmt::Display;
use std::path::Path;

use burn_vit::import::ImportError;

/// Why the program stops.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for makes no sense; exit code 2.
    Usage(String),
    /// It cannot be done; exit code 1.
    Failed(String),
}

impl Failure {
    pub(crate) fn usage(text: impl Display) -> Self {
        Self::Usage(text.to_string())
    }

    pub(crate) fn failed(text: impl Display) -> Self {
        Self::Failed(text.to_string())
    }

    /// Of a file.
    pub(crate) fn file(path: &Path, reason: impl Display) -> Self {
        Self::Failed(format!("{}: {reason}", path.display()))
    }

    /// The same, with the file that it is about in front.
    pub(crate) fn about(self, path: &Path) -> Self {
        match self {
            Self::Failed(reason) if !reason.contains(&*path.to_string_lossy()) => {
                Self::file(path, reason)
            }
            other => other,
        }
    }

    /// Of weights that cannot be imported; the error names a file where it is about one.
    pub(crate) fn import(weights: &Path, error: &ImportError) -> Self {
        match error {
            ImportError::File { .. } => Self::failed(error),
            error => Self::file(weights, error),
        }
    }
}
