//! Result files, and the check before training that they can be written.

use std::path::Path;

use crate::error::Error;

/// Finds out now, not after minutes of training, whether the results can be written; makes the folder.
///
/// # Errors
///
/// [`Error::Output`] if not.
pub fn make_writable(out: &Path) -> Result<(), Error> {
    let probe = out.join(".write-test");
    std::fs::create_dir_all(out)
        .and_then(|()| std::fs::write(&probe, []))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| broken(out, &error))
}

/// Writes a file of results.
///
/// # Errors
///
/// [`Error::Output`] if that fails.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &std::io::Error) -> Error {
    Error::Output {
        path: path.to_owned(),
        why: error.to_string(),
    }
}
