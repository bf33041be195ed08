//! Where a picture lies.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::Why;

/// A picture of a set: where its bytes are, and its class.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) label: u32,
}

/// Where its bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A file of its own.
    File(Arc<Path>),
    /// Bytes of a larger file.
    Part {
        file: Arc<Shard>,
        offset: u64,
        bytes: u64,
    },
}

/// A file that holds many pictures.
#[derive(Debug)]
pub(crate) enum Shard {
    /// One of the set.
    Kept(PathBuf),
    /// One of ours, which goes with its last picture.
    #[cfg(feature = "parquet")]
    Spooled(tempfile::TempPath),
}

impl Shard {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            #[cfg(feature = "parquet")]
            Self::Spooled(path) => path,
        }
    }
}

impl Place {
    pub(crate) fn file(path: PathBuf) -> Self {
        Self::File(path.into())
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Part { file, offset, .. } => {
                format!("{} at byte {offset}", file.path().display())
            }
        }
    }

    pub(crate) fn read(&self) -> Result<Vec<u8>, Why> {
        let unreadable = |error: std::io::Error| Why::Unreadable(error.to_string());
        match self {
            Self::File(path) => std::fs::read(path).map_err(unreadable),
            Self::Part {
                file,
                offset,
                bytes,
            } => {
                let mut file = std::fs::File::open(file.path()).map_err(unreadable)?;
                file.seek(SeekFrom::Start(*offset)).map_err(unreadable)?;
                let mut content = Vec::new();
                file.take(*bytes)
                    .read_to_end(&mut content)
                    .map_err(unreadable)?;
                if content.len() as u64 == *bytes {
                    Ok(content)
                } else {
                    Err(Why::CutShort)
                }
            }
        }
    }
}
