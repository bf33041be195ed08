//! What can go wrong with a set of pictures.

use std::path::{Path, PathBuf};

use crate::decode::Why;

/// An error that names the file or folder.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// There is nothing under that path.
    #[error("{0}: there is no such file or folder")]
    Missing(PathBuf),
    /// The file system says no.
    #[error("{path}: {why}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it says.
        why: std::io::Error,
    },
    /// A picture that cannot be used.
    #[error("{picture}: {why}")]
    Picture {
        /// Its file, and its name within a shard.
        picture: String,
        /// Why not.
        why: Why,
    },
    /// A folder or shard that holds no set of pictures.
    #[error("{path}: {why}")]
    Set {
        /// Where.
        path: PathBuf,
        /// What was expected and found.
        why: String,
    },
    /// Whoever waited wants no more.
    #[error("interrupted while the pictures were checked")]
    Interrupted,
}

impl Error {
    /// For `map_err` of what reads or writes `path`.
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |why| Self::Io {
            path: path.to_owned(),
            why,
        }
    }

    pub(crate) fn set(path: &Path, why: impl Into<String>) -> Self {
        Self::Set {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}
