//! Lines for the person at the terminal, and files that are whole or not there.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;

use crate::failure::Failure;

/// A line of results, to standard output. A pipe that nobody reads any more stops nothing.
pub(crate) fn say(line: impl Display) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line about what went wrong, to standard error.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(stderr(), "{line}");
}

/// How far long work is, in one line that is written over, where someone looks on.
pub(crate) struct Progress {
    what: &'static str,
    all: usize,
}

impl Progress {
    /// Of `all` pictures that are being `what`.
    pub(crate) fn new(what: &'static str, all: usize) -> Self {
        Self { what, all }
    }

    pub(crate) fn done(&self, count: usize) {
        let mut out = stderr().lock();
        if self.all > 1 && out.is_terminal() {
            let end = if count == self.all { '\n' } else { '\r' };
            let _ = write!(out, "{count} of {} {}{end}", self.all, self.what);
            let _ = out.flush();
        }
    }
}

/// Writes a file beside `path` and moves it into place once it is whole, with the umask's permissions. What was there
/// before stays until then, and for good if anything fails.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // Half a file helps nobody; if it cannot be removed either, the first error is the one to report.
        let _ = fs::remove_file(&beside);
        Failure::file(path, format_args!("it cannot be written: {error}"))
    })
}

/// Finds out before long work whether a file can be written there.
pub(crate) fn check_place(path: &Path) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() || !folder.is_dir() {
        let reason = if path.is_dir() {
            "it cannot be written: it is a folder".to_owned()
        } else {
            format!(
                "it cannot be written: there is no folder {}",
                folder.display()
            )
        };
        return Err(Failure::file(path, reason));
    }
    Ok(())
}
