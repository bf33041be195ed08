//! Result files, and the check before training that they can be written.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Ends the name of a file that is not complete yet.
pub(crate) const UNFINISHED: &str = ".tmp";

/// Finds out now, not after minutes of training, whether the results can be written; makes the folder.
///
/// # Errors
///
/// [`Error::Output`] if not.
pub fn make_writable(out: &Path) -> Result<(), Error> {
    let probe = out.join(".burn-patch-write-test");
    fs::create_dir_all(out)
        .and_then(|()| File::create(&probe))
        .and_then(|_| match fs::remove_file(&probe) {
            // Another run that looks at the same moment has removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        })
        .map_err(|error| Error::output(out, error))
}

/// Writes a file of results: beside `path`, and moved into place once it is whole. What was there before stays until
/// then, and for good if anything fails. The permissions are the umask's.
///
/// # Errors
///
/// [`Error::Output`] if that fails.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let beside = unfinished(path);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // Half a file helps nobody; if it cannot be removed either, the first error is the one to report.
        let _ = fs::remove_file(&beside);
        Error::output(path, error)
    })
}

/// The name of `path` while it is being written.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_runs_may_look_at_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let look = || (0..2000).try_for_each(|_| make_writable(folder.path()));
        std::thread::scope(|scope| {
            for thread in [scope.spawn(look), scope.spawn(look)] {
                thread.join().unwrap().unwrap();
            }
        });
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        write(&path, b"before").unwrap();
        // A folder in the way of the file beside makes the write fail.
        fs::create_dir(unfinished(&path)).unwrap();
        let error = write(&path, b"after").unwrap_err().to_string();
        assert!(
            error.contains("metrics.json cannot be written: "),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"before");
        fs::remove_dir(unfinished(&path)).unwrap();
        write(&path, b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
