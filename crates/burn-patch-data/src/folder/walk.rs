//! Files below a folder.

use std::collections::BTreeSet;
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

/// Every file below a folder, sorted within each. What links lead to is read once, and a folder above not at all: links
/// in a circle would never end. A folder that cannot be read is one of the files.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let real = folder.canonicalize().map_err(Error::io(folder))?;
    let mut seen: BTreeSet<PathBuf> = real.ancestors().map(Path::to_owned).collect();
    let mut files = Vec::new();
    add(folder, &mut files, &mut seen)?;
    Ok(files)
}

fn add(folder: &Path, files: &mut Vec<PathBuf>, seen: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    for path in visible(folder)? {
        if !path.is_dir() {
            files.push(path);
        } else if seen.insert(path.canonicalize().map_err(Error::io(&path))?) {
            // Named in place of what it may hold.
            if add(&path, files, seen).is_err() {
                files.push(path);
            }
        }
    }
    Ok(())
}
