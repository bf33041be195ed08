//! Files below a folder.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// What lies in a folder, sorted, but for what systems and tools put there: names that begin with a dot, `__MACOSX`.
pub(crate) fn visible(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && name != "__MACOSX" {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Every file below a folder, sorted within each.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in visible(folder)? {
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
