//! Which files are shards, and of which part.

use std::path::{Path, PathBuf};

use crate::decode::Why;
use crate::error::Error;
use crate::folder::{Parts, files, parts, visible};
use crate::left_out::LeftOut;
use crate::picture_set::PictureSet;
use crate::sets::Sets;
use crate::shards::part::Part;
use crate::shards::tar;

/// A file beside shards with a class name in each line, as in WebDataset's evaluation sets.
const CLASS_NAMES: &str = "classnames.txt";

/// Most classes of a set: a label beyond is more likely an error than a class.
const MOST_CLASSES: usize = 1 << 20;

/// How shards are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tar,
    Parquet,
}

/// The shards of a set.
pub(crate) struct Shards {
    folder: PathBuf,
    train: Vec<(PathBuf, Kind)>,
    test: Vec<(PathBuf, Kind)>,
    /// Files beside them.
    others: Vec<PathBuf>,
}

/// The shards that `path` is or holds; none if it is no shard and holds none.
pub(crate) fn find(path: &Path) -> Result<Option<Shards>, Error> {
    if path.is_file() {
        let folder = path.parent().unwrap_or(path).to_owned();
        return Ok(kind(path).map(|kind| Shards {
            folder,
            train: vec![(path.to_owned(), kind)],
            test: vec![],
            others: vec![],
        }));
    }
    let Parts { train, test, .. } = parts(path)?;
    let (test_names, train_names): (Vec<_>, Vec<_>) = shards(&train)?
        .into_iter()
        .partition(|(path, _)| test.is_none() && is_held_out(path));
    let test = match &test {
        Some(test) => shards(test)?,
        None => test_names,
    };
    if train_names.is_empty() {
        return Ok(None);
    }
    let mut others = files(path)?;
    let is_read = |file: &PathBuf| {
        let mut shards = train_names.iter().chain(&test);
        shards.any(|(shard, _)| shard == file) || *file == path.join(CLASS_NAMES)
    };
    others.retain(|file| !is_read(file));
    Ok(Some(Shards {
        folder: path.to_owned(),
        train: train_names,
        test,
        others,
    }))
}

fn shards(folder: &Path) -> Result<Vec<(PathBuf, Kind)>, Error> {
    let files = visible(folder)?.into_iter();
    Ok(files
        .filter_map(|path| kind(&path).map(|kind| (path, kind)))
        .collect())
}

fn kind(path: &Path) -> Option<Kind> {
    let extension = path.extension().filter(|_| path.is_file())?.to_str()?;
    match extension {
        "tar" => Some(Kind::Tar),
        "parquet" => Some(Kind::Parquet),
        _ => None,
    }
}

/// Whether a shard's name says that it is held out: `test-00000-of-00001.parquet`.
fn is_held_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = name.split(|mark: char| !mark.is_alphanumeric()).next();
    matches!(first, Some("test" | "val" | "valid" | "validation"))
}

impl Shards {
    /// Their pictures, without decoding any.
    pub(crate) fn read(self) -> Result<Sets, Error> {
        let mut train = read(&self.train)?;
        let test = match self.test.is_empty() {
            true => None,
            false => Some(read(&self.test)?),
        };
        let held = test.iter().flat_map(|test: &Part| &test.entries);
        let labels = train.entries.iter().chain(held);
        let count = labels
            .map(|entry| entry.label as usize + 1)
            .max()
            .unwrap_or(0);
        if count > MOST_CLASSES {
            let why = format!("expected labels below {MOST_CLASSES}, got {}", count - 1);
            return Err(Error::set(&self.folder, why));
        }
        let named = train.classes.take();
        let classes = match self.class_names()?.or(named) {
            Some(names) if names.len() >= count => names,
            Some(names) => {
                let why = format!(
                    "expected a name for each of {count} classes, got {}",
                    names.len()
                );
                return Err(Error::set(&self.folder, why));
            }
            None => (0..count).map(|label| label.to_string()).collect(),
        };
        let mut left_out = LeftOut::default();
        for path in &self.others {
            left_out.add(|| path.display().to_string(), &Why::BesideShards);
        }
        let mut set = |part: Part| {
            left_out.merge(part.left_out);
            PictureSet {
                entries: part.entries,
            }
        };
        Ok(Sets {
            train: set(train),
            test: test.map(&mut set),
            classes,
            left_out,
            digest: None,
        })
    }

    fn class_names(&self) -> Result<Option<Vec<String>>, Error> {
        let path = self.folder.join(CLASS_NAMES);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        Ok(Some(text.lines().map(str::to_owned).collect()))
    }
}

fn read(shards: &[(PathBuf, Kind)]) -> Result<Part, Error> {
    let mut all = Part::default();
    for (path, kind) in shards {
        let part = match kind {
            Kind::Tar => tar::read(path)?,
            Kind::Parquet => parquet(path)?,
        };
        all.entries.extend(part.entries);
        all.left_out.merge(part.left_out);
        all.classes = all.classes.or(part.classes);
    }
    Ok(all)
}

#[cfg(feature = "parquet")]
fn parquet(path: &Path) -> Result<Part, Error> {
    crate::shards::parquet::read(path)
}

#[cfg(not(feature = "parquet"))]
fn parquet(path: &Path) -> Result<Part, Error> {
    Err(Error::set(
        path,
        "reading parquet files needs the cargo feature `parquet`, which this program was built without",
    ))
}
