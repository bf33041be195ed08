//! The checkpoints of one training.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::output::say;
use crate::report::files::{UNFINISHED, write};
use crate::terminal;
use crate::train::epoch_means::EpochMeans;
use crate::train::manifest::{Manifest, Part, run_of};
use crate::train::monitor::Monitor;
use crate::train::phase::Phase;

/// Records of a checkpoint: `epoch-<epoch>.<part>.bpk`, beside `epoch-<epoch>.json`, its manifest.
pub(crate) const PARTS: [&str; 3] = ["model", "optimizer", "schedule"];
/// Whole checkpoints that are kept: the newest, and one to fall back to.
const KEPT: usize = 2;

/// Saves a checkpoint once all its parts are there, and finds the newest that is whole.
pub(crate) struct Checkpoints {
    folder: PathBuf,
    /// Training pictures of an epoch.
    pictures: usize,
    /// To go through in all.
    epochs: usize,
    whose: Manifest,
    monitor: Arc<Monitor>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    epochs: Vec<EpochMeans>,
    parts: BTreeMap<usize, Vec<Part>>,
    /// Epochs whose checkpoint is whole.
    whole: BTreeSet<usize>,
    failure: Option<Error>,
}

/// Whether a file's name is that of a part of a checkpoint, complete or not.
pub(crate) fn is_checkpoint_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| epoch_of(name.strip_suffix(UNFINISHED).unwrap_or(name)).is_some())
}

/// The epoch of a file of a checkpoint.
fn epoch_of(name: &str) -> Option<usize> {
    let (epoch, kind) = name.strip_prefix("epoch-")?.split_once('.')?;
    let ours = kind == "json"
        || PARTS
            .iter()
            .any(|part| kind.strip_suffix(".bpk") == Some(part));
    ours.then(|| epoch.parse().ok()).flatten()
}

/// Ids of the runs whose checkpoints lie in the folder of a phase.
pub(crate) fn runs_in(folder: &Path) -> BTreeSet<String> {
    let files = files(folder).unwrap_or_default();
    let manifests = files.iter().filter(|path| is_checkpoint_file(path));
    manifests
        .filter_map(|path| run_of(&fs::read(path).ok()?).ok())
        .collect()
}

/// Why an epoch's checkpoint does not count.
enum Fault {
    /// A file of it that is there and cannot be read; it may be whole.
    Unread(Error),
    /// A file of it that is missing, damaged or another's.
    Wrong(PathBuf, String),
}

impl Checkpoints {
    /// Those of `phase`, whose epochs have `pictures`. What a killed run left half written is removed.
    pub(crate) fn open(
        phase: &Phase,
        pictures: usize,
        monitor: Arc<Monitor>,
    ) -> Result<Self, Error> {
        let folder = phase.folder.clone();
        fs::create_dir_all(&folder).map_err(|error| Error::output(&folder, error))?;
        for path in files(&folder)? {
            if is_checkpoint_file(&path) && path.as_os_str().to_string_lossy().ends_with(UNFINISHED)
            {
                remove(&path)?;
            }
        }
        Ok(Self {
            folder,
            pictures,
            epochs: phase.epochs,
            whose: Manifest {
                run: phase.run.clone(),
                phase: phase.name.to_owned(),
                start: phase.start.clone(),
                parts: vec![],
                epochs: vec![],
            },
            monitor,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manifest(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("epoch-{epoch}.json"))
    }

    fn part(&self, epoch: usize, part: &str) -> PathBuf {
        self.folder.join(format!("epoch-{epoch}.{part}.bpk"))
    }

    /// The newest epoch whose checkpoint is whole, of this run and accepted by `accept`, and what it gives. Each that
    /// is not is named with the reason, and removed.
    pub(crate) fn newest<T>(
        &self,
        mut accept: impl FnMut(Vec<u8>) -> Result<T, String>,
    ) -> Result<Option<(usize, T)>, Error> {
        let mut epochs = BTreeSet::new();
        for path in files(&self.folder)? {
            let name = path.file_name().and_then(|name| name.to_str());
            epochs.extend(name.and_then(epoch_of));
        }
        let mut newest = None;
        for epoch in epochs.into_iter().rev() {
            let checked = self.check(epoch).and_then(|(manifest, model)| {
                if newest.is_some() {
                    return Ok((manifest, None));
                }
                let path = self.part(epoch, "model");
                let accepted = accept(model)
                    .map_err(|why| Fault::Wrong(path, format!("of another model: {why}")));
                Ok((manifest, Some(accepted?)))
            });
            match checked {
                Ok((manifest, accepted)) => {
                    let mut state = self.state();
                    state.whole.insert(epoch);
                    if let Some(accepted) = accepted {
                        state.epochs = manifest.epochs;
                        newest = Some((epoch, accepted));
                    }
                }
                Err(Fault::Unread(error)) => return Err(error),
                Err(Fault::Wrong(path, why)) => {
                    say(format_args!("{} does not count: {why}", path.display()));
                    self.remove(epoch)?;
                }
            }
        }
        self.prune()?;
        Ok(newest)
    }

    /// The manifest and the model of an epoch's checkpoint.
    fn check(&self, epoch: usize) -> Result<(Manifest, Vec<u8>), Fault> {
        let path = self.manifest(epoch);
        let manifest = Manifest::from_json(&content(&path)?)
            .and_then(|manifest| self.is_ours(&manifest, epoch).map(|()| manifest))
            .map_err(|why| Fault::Wrong(path, why))?;
        let mut model = Vec::new();
        for (part, described) in PARTS.into_iter().zip(&manifest.parts) {
            let path = self.part(epoch, part);
            let content = content(&path)?;
            described
                .check(&content)
                .map_err(|why| Fault::Wrong(path, why))?;
            if part == "model" {
                model = content;
            }
        }
        Ok((manifest, model))
    }

    fn is_ours(&self, manifest: &Manifest, epoch: usize) -> Result<(), String> {
        let ours = &self.whose;
        let names = manifest.parts.iter().map(|part| part.name.as_str());
        if manifest.run != ours.run {
            return Err("of another run: its settings or data are not these".to_owned());
        }
        if manifest.phase != ours.phase || manifest.epochs.len() != epoch || !names.eq(PARTS) {
            return Err("of another training".to_owned());
        }
        if manifest.start != ours.start {
            return Err("the model that it started from has changed since".to_owned());
        }
        Ok(())
    }

    /// Takes the means of an epoch that has just ended; whether there are any.
    pub(crate) fn note(&self, epoch: usize) -> bool {
        let means = self.monitor.means(self.pictures);
        let mut state = self.state();
        state.epochs.truncate(epoch - 1);
        state.epochs.extend(means);
        state.epochs.len() == epoch
    }

    /// Writes a part of an epoch's checkpoint; with the last part, the manifest, after which the epoch is reported and older
    /// ones go.
    pub(crate) fn keep(&self, epoch: usize, part: &str, content: &[u8]) -> Result<(), Error> {
        self.try_keep(epoch, part, content).inspect_err(|error| {
            let mut state = self.state();
            let copy = match error {
                Error::Output { path, why } => Error::output(path, why),
                error => Error::Training(error.to_string()),
            };
            state.failure.get_or_insert(copy);
        })
    }

    fn try_keep(&self, epoch: usize, part: &str, content: &[u8]) -> Result<(), Error> {
        write(&self.part(epoch, part), content)?;
        let manifest = {
            let mut state = self.state();
            let parts = state.parts.entry(epoch).or_default();
            parts.push(Part::new(part.to_owned(), content));
            if parts.len() < PARTS.len() {
                return Ok(());
            }
            let mut parts = state.parts.remove(&epoch).unwrap_or_default();
            parts.sort_by_key(|part| PARTS.iter().position(|name| part.name == *name));
            Manifest {
                parts,
                epochs: state.epochs[..epoch].to_vec(),
                ..self.whose.clone()
            }
        };
        write(&self.manifest(epoch), manifest.to_json().as_bytes())?;
        self.state().whole.insert(epoch);
        self.report(epoch, manifest.epochs.last());
        self.prune()
    }

    /// A line about an epoch, unless a view has it: only one that is kept is reported, so that nobody stops the training
    /// between the two.
    fn report(&self, epoch: usize, means: Option<&EpochMeans>) {
        if let (Some(means), false) = (means, terminal::takes_a_view()) {
            let (phase, epochs) = (&self.whose.phase, self.epochs);
            say(format_args!("{phase} epoch {epoch}/{epochs}: {means}"));
        }
    }

    pub(crate) fn read(&self, epoch: usize, part: &str) -> Result<Vec<u8>, Error> {
        let path = self.part(epoch, part);
        fs::read(&path).map_err(|error| unreadable(&path, &error))
    }

    /// Removes all but the newest whole checkpoints.
    fn prune(&self) -> Result<(), Error> {
        let old: Vec<usize> = {
            let mut state = self.state();
            let count = state.whole.len().saturating_sub(KEPT);
            let old = state.whole.iter().copied().take(count).collect();
            state.whole = state.whole.iter().copied().skip(count).collect();
            old
        };
        old.into_iter().try_for_each(|epoch| self.remove(epoch))
    }

    /// Removes a checkpoint, its manifest first: what is left of it then counts as unfinished.
    fn remove(&self, epoch: usize) -> Result<(), Error> {
        remove(&self.manifest(epoch))?;
        PARTS
            .into_iter()
            .try_for_each(|part| remove(&self.part(epoch, part)))
    }

    /// What kept a checkpoint from being written; the parts of it that were written go.
    pub(crate) fn failure(&self) -> Option<Error> {
        let (failure, parts) = {
            let mut state = self.state();
            (state.failure.take(), std::mem::take(&mut state.parts))
        };
        for epoch in parts.into_keys() {
            // The failure to write is the one to report.
            let _ = self.remove(epoch);
        }
        failure
    }

    /// The newest epoch with a whole checkpoint, 0 for none.
    pub(crate) fn finished(&self) -> usize {
        self.state().whole.last().copied().unwrap_or(0)
    }

    /// The log.
    pub(crate) fn epochs(&self) -> Vec<EpochMeans> {
        self.state().epochs.clone()
    }
}

fn content(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let why = "missing, so the checkpoint is not whole";
            Fault::Wrong(path.to_owned(), why.to_owned())
        }
        _ => Fault::Unread(unreadable(path, &error)),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::DataFile {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<Vec<_>, _>>()
    });
    entries.map_err(|error| Error::output(folder, error))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::output(path, error))
        }
        _ => Ok(()),
    }
}
