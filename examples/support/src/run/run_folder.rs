//! Where a run keeps what it needs to go on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::output::say;
use crate::report::files::{UNFINISHED, write};
use crate::run::claim::Claim;
use crate::run::identity::Identity;
use crate::train::{is_checkpoint_file, runs_in};

/// The run.
const RUNS: &str = "runs";
/// A run that is being made.
const NEW: &str = "runs.new";
/// A run that is being deleted.
const OLD: &str = "runs.old";
const NOTE: &str = "run.json";

/// The folder of a run: `run.json`, and a folder with the checkpoints of each phase.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    id: String,
    claim: Claim,
}

/// What run.json holds.
#[derive(Serialize, Deserialize)]
struct Note {
    id: String,
    #[serde(flatten)]
    identity: Identity,
    version: String,
}

impl RunFolder {
    /// The names that it takes in the folder of results.
    pub const NAMES: [&str; 3] = [RUNS, NEW, OLD];

    /// Begins a run, and deletes the one before it; with `resume`, goes on with that one.
    ///
    /// The old run is renamed away before anything of it is deleted, and the new one is moved into place with its
    /// identity in it: whenever this is killed, `runs` is one of the two, whole.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRun`] and [`Error::NothingToResume`] where there is nothing to resume, [`Error::Foreign`] if the
    /// folder of the run before holds something that is not its own, and [`Error::Output`].
    pub fn open(
        claim: Claim,
        program: &'static str,
        identity: &Identity,
        phases: &[&str],
        resume: bool,
    ) -> Result<Self, Error> {
        let [path, new, old] = Self::NAMES.map(|name| claim.path(name));
        for leftover in [&new, &old] {
            delete(leftover, phases).map_err(|error| Error::output(leftover, error))?;
        }
        let id = identity.id();
        if resume {
            check(&path, identity, phases)?;
        } else {
            if let Some(foreign) = foreign(&path, phases) {
                return Err(Error::Foreign {
                    path: foreign,
                    program,
                });
            }
            fs::create_dir(&new).map_err(|error| Error::output(&new, error))?;
            note(&new, &id, identity)?;
            let exists = path.symlink_metadata().is_ok();
            let moved = match exists {
                true => fs::rename(&path, &old),
                false => Ok(()),
            };
            moved
                .and_then(|()| fs::rename(&new, &path))
                .and_then(|()| delete(&old, phases))
                .map_err(|error| Error::output(&path, error))?;
        }
        Ok(Self { path, id, claim })
    }

    /// Where the checkpoints of a phase lie.
    pub fn phase(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The run's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where a result lies.
    pub fn result(&self, name: &str) -> PathBuf {
        self.claim.path(name)
    }
}

fn note(folder: &Path, id: &str, identity: &Identity) -> Result<(), Error> {
    let note = Note {
        id: id.to_owned(),
        identity: identity.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let text = serde_json::to_string_pretty(&note).expect("names and plain values serialise");
    write(&folder.join(NOTE), text.as_bytes())
}

/// The run that a run.json speaks of; none if the file is damaged.
pub fn read_note(text: &[u8]) -> Option<Identity> {
    let note: Note = serde_json::from_slice(text).ok()?;
    (note.id == note.identity.id()).then_some(note.identity)
}

/// Whether the run in `folder` is the one of `identity`. A note that is damaged is written anew, since every checkpoint
/// carries the id as well, unless these say that the run is another.
fn check(folder: &Path, identity: &Identity, phases: &[&str]) -> Result<(), Error> {
    let path = folder.join(NOTE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(_) => return Err(Error::NothingToResume(folder.to_owned())),
    };
    match read_note(&text) {
        Some(before) if before == *identity => Ok(()),
        Some(before) => Err(Error::OtherRun {
            path: folder.to_owned(),
            why: before.difference(identity),
        }),
        None if is_of_others(folder, &identity.id(), phases) => Err(Error::OtherRun {
            path: folder.to_owned(),
            why: format!("{NOTE} is damaged, and the checkpoints are of other settings or data"),
        }),
        None => {
            say(format_args!(
                "{} is damaged, so it is written anew; checkpoints of other settings do not count",
                path.display()
            ));
            note(folder, &identity.id(), identity)
        }
    }
}

/// Whether there are checkpoints, and none of the run `id`.
fn is_of_others(folder: &Path, id: &str, phases: &[&str]) -> bool {
    let mut runs = phases.iter().flat_map(|phase| runs_in(&folder.join(phase)));
    runs.next()
        .is_some_and(|first| first != id && runs.all(|run| run != id))
}

/// What lies in a run's folder and is not the run's.
fn foreign(folder: &Path, phases: &[&str]) -> Option<PathBuf> {
    let (files, folders) = contents(folder).ok()?;
    let file = files.into_iter().find(|path| !is_note(path));
    let inside = folders.into_iter().find_map(|folder| {
        if !phases.iter().any(|phase| folder.ends_with(phase)) {
            return Some(folder);
        }
        let (files, folders) = contents(&folder).ok()?;
        let file = files.into_iter().find(|path| !is_checkpoint_file(path));
        file.or(folders.into_iter().next())
    });
    file.or(inside)
}

fn is_note(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.strip_suffix(UNFINISHED).unwrap_or(name) == NOTE)
}

/// Files and folders; a link is a file.
fn contents(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => folders.push(entry.path()),
            false => files.push(entry.path()),
        }
    }
    Ok((files, folders))
}

/// Deletes a run: its own files, and the folders that are empty then.
fn delete(folder: &Path, phases: &[&str]) -> io::Result<()> {
    if folder.symlink_metadata().is_err() {
        return Ok(());
    }
    for phase in phases.iter().map(|phase| folder.join(phase)) {
        if !phase.is_dir() {
            continue;
        }
        for path in contents(&phase)?.0 {
            if is_checkpoint_file(&path) {
                fs::remove_file(path)?;
            }
        }
        fs::remove_dir(phase)?;
    }
    for path in contents(folder)?.0 {
        if is_note(&path) {
            fs::remove_file(path)?;
        }
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [&str; 1] = ["mae"];

    fn open(out: &Path, seed: u64, resume: bool) -> Result<RunFolder, Error> {
        let claim = Claim::take(out, "test", &RunFolder::NAMES)?;
        let identity = Identity::new("test", [("seed", seed.into())]);
        RunFolder::open(claim, "test", &identity, &PHASES, resume)
    }

    fn checkpoint(out: &Path) -> PathBuf {
        let folder = out.join("runs/mae");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("epoch-1.json");
        fs::write(&path, "{}").unwrap();
        path
    }

    #[test]
    fn a_run_is_resumed_with_its_own_settings_alone_and_replaced_by_a_fresh_one() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        assert!(matches!(open(out, 0, true), Err(Error::NothingToResume(_))));
        drop(open(out, 0, false).unwrap());
        let kept = checkpoint(out);
        drop(open(out, 0, true).unwrap());
        let error = open(out, 1, true).unwrap_err().to_string();
        assert!(error.contains("expected seed 0, got 1"), "{error}");
        assert!(kept.exists());
        drop(open(out, 1, false).unwrap());
        assert!(!kept.exists());
        assert!(!out.join(OLD).exists() && !out.join(NEW).exists());
    }

    /// Killed after the old run was renamed away: the next one finishes deleting it and never resumes it.
    #[test]
    fn a_clearing_that_was_killed_leaves_nothing_to_resume() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        drop(open(out, 0, false).unwrap());
        checkpoint(out);
        fs::rename(out.join(RUNS), out.join(OLD)).unwrap();
        assert!(matches!(open(out, 0, true), Err(Error::NothingToResume(_))));
        assert!(!out.join(OLD).exists());
    }

    #[test]
    fn what_is_not_the_runs_own_is_never_deleted() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        drop(open(out, 0, false).unwrap());
        let kept = checkpoint(out);
        for name in ["runs/notes.txt", "runs/mae/notes.txt"] {
            let notes = out.join(name);
            fs::write(&notes, "mine").unwrap();
            let error = open(out, 0, false).unwrap_err().to_string();
            assert!(error.contains("notes.txt was not made by"), "{error}");
            assert!(notes.exists() && kept.exists());
            fs::remove_file(notes).unwrap();
        }
        drop(open(out, 0, false).unwrap());
    }

    #[test]
    fn a_damaged_note_is_written_anew() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        drop(open(out, 0, false).unwrap());
        let note = out.join("runs/run.json");
        let before = fs::read(&note).unwrap();
        fs::write(&note, &before[..20]).unwrap();
        drop(open(out, 0, true).unwrap());
        assert_eq!(fs::read(&note).unwrap(), before);
    }
}
