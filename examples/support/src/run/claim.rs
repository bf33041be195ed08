//! The right to write into a folder.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::report::make_writable;

/// A folder that this run alone writes into, and the names in it that are the program's own.
///
/// A file `.<program>.lock` is locked as long as this lives, and lists the names. What stands there under one of them
/// when the list is first written was made by something else, and the folder is refused.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    /// Its lock goes when it is closed, be it by the system after a kill.
    _lock: File,
}

impl Claim {
    /// Claims `names` in `folder`, which is made if need be, for `program`.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while another run holds it, [`Error::Foreign`] if one of the names is taken, and
    /// [`Error::Output`] if nothing can be written there.
    pub fn take(folder: &Path, program: &'static str, names: &[&str]) -> Result<Self, Error> {
        make_writable(folder)?;
        let path = folder.join(format!(".{program}.lock"));
        let broken = |error: std::io::Error| Error::output(&path, error);
        let mut lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(broken)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(broken(error)),
        }
        let mut listed = Vec::new();
        lock.read_to_end(&mut listed).map_err(broken)?;
        // In a list that is damaged, the lines that are whole count.
        let listed = String::from_utf8_lossy(&listed);
        let ours: Vec<&str> = listed.lines().collect();
        for name in names.iter().filter(|name| !ours.contains(name)) {
            let path = folder.join(name);
            if path.symlink_metadata().is_ok() {
                if ours.is_empty() {
                    // Nothing of ours is here, so nothing of ours stays.
                    let _ = fs::remove_file(folder.join(format!(".{program}.lock")));
                }
                return Err(Error::Foreign { path, program });
            }
        }
        let mut all = names.to_vec();
        all.extend(ours.iter().filter(|name| !names.contains(name)));
        if all != ours {
            lock.seek(SeekFrom::Start(0)).map_err(broken)?;
            let text = format!("{}\n", all.join("\n"));
            lock.write_all(text.as_bytes())
                .and_then(|()| lock.sync_all())
                .map_err(broken)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Where `name` lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_once_at_a_time_and_foreign_files_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        let take = |names: &[&str]| Claim::take(folder.path(), "test", names);
        fs::write(&path, "another program's").unwrap();
        let error = take(&["runs", "metrics.json"]).unwrap_err().to_string();
        assert!(
            error.contains("metrics.json was not made by test"),
            "{error}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        fs::remove_file(&path).unwrap();
        let claim = take(&["runs", "metrics.json"]).unwrap();
        assert!(matches!(take(&["runs"]), Err(Error::InUse(_))));
        drop(claim);
        fs::write(&path, "ours").unwrap();
        let list = folder.path().join(".test.lock");
        let damaged = [&fs::read(&list).unwrap()[..], b"\xff"].concat();
        fs::write(&list, damaged).unwrap();
        drop(take(&["runs", "metrics.json"]).unwrap());
        fs::write(folder.path().join("curves.png"), "foreign").unwrap();
        let error = take(&["runs", "curves.png"]).unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
        drop(take(&["runs", "metrics.json"]).unwrap());
    }
}
