//! Files for what reads files.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that goes with the value.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file in it, whose folders are made; none if its name cannot be one here.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: &[u8]) -> Option<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent()?).ok()?;
        std::fs::write(&path, content).ok()?;
        Some(path)
    }
}

/// The part of `data` whose length its first two bytes say (little-endian), and what is behind it.
pub(crate) fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return (data, &[]);
    };
    rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()))
}
