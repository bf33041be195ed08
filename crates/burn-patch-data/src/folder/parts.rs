//! The parts of a folder: for training and held out.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::folder::walk::visible;

/// Folders of a set.
pub(crate) struct Parts {
    pub(crate) train: PathBuf,
    pub(crate) test: Option<PathBuf>,
    /// What lies beside them: files, and parts that are not read.
    pub(crate) beside: Vec<PathBuf>,
}

/// `train` with `test`, `val`, `valid` or `validation` beside it, `train` alone, or the folder itself.
pub(crate) fn parts(folder: &Path) -> Result<Parts, Error> {
    let train = folder.join("train");
    if !train.is_dir() {
        return Ok(Parts {
            train: folder.to_owned(),
            test: None,
            beside: vec![],
        });
    }
    let held_out = ["test", "val", "valid", "validation"].map(|name| folder.join(name));
    let test = held_out.into_iter().find(|path| path.is_dir());
    let known = [Some(&train), test.as_ref()];
    let mut beside = visible(folder)?;
    beside.retain(|path| !known.contains(&Some(path)));
    let other = beside.iter().find(|path| path.is_dir() && !is_part(path));
    match other {
        Some(other) => Err(Error::set(
            folder,
            format!(
                "expected train with val or test, or class folders, got train beside {}",
                other.file_name().unwrap_or_default().display()
            ),
        )),
        None => Ok(Parts {
            train,
            test,
            beside,
        }),
    }
}

/// Whether a folder is a part that is not needed: `val` beside `test`.
fn is_part(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    matches!(name, Some("test" | "val" | "valid" | "validation"))
}
