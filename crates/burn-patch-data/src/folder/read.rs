//! Pictures of a folder by class.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::decode::{Why, is_picture};
use crate::entry::{Entry, Place};
use crate::error::Error;
use crate::folder::parts::{Parts, parts};
use crate::folder::walk::{files, visible};
use crate::left_out::LeftOut;
use crate::picture_set::PictureSet;
use crate::sets::Sets;

/// Bytes at a file's start that tell its format.
const START: u64 = 32;

/// The pictures of one class.
struct Class {
    name: String,
    pictures: Vec<PathBuf>,
}

pub(crate) fn read(folder: &Path) -> Result<Sets, Error> {
    let Parts {
        train,
        test,
        beside,
    } = parts(folder)?;
    let mut left_out = LeftOut::default();
    for path in &beside {
        leave(path, &mut left_out)?;
    }
    let train_classes = classes(&train, &mut left_out)?;
    let names: BTreeSet<&str> = train_classes
        .iter()
        .map(|class| class.name.as_str())
        .collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let test_classes = match &test {
        Some(test) => Some(trained(
            classes(test, &mut left_out)?,
            &names,
            &mut left_out,
        )),
        None => None,
    };
    if names.is_empty() {
        let why = format!("expected folders of pictures, one for each class; left out: {left_out}");
        return Err(Error::set(folder, why));
    }
    Ok(Sets {
        train: set(train_classes, &names),
        test: test_classes.map(|classes| set(classes, &names)),
        classes: names,
        left_out,
        digest: None,
    })
}

/// Counts a file beside the parts, or all files of a part that is not read.
fn leave(path: &Path, left_out: &mut LeftOut) -> Result<(), Error> {
    if !path.is_dir() {
        left_out.add(|| path.display().to_string(), &Why::NoClass);
        return Ok(());
    }
    for file in files(path)? {
        left_out.add(|| file.display().to_string(), &Why::UnreadPart);
    }
    Ok(())
}

/// Those of the classes held out that have training pictures.
fn trained(classes: Vec<Class>, names: &[String], left_out: &mut LeftOut) -> Vec<Class> {
    let (known, unknown): (Vec<Class>, Vec<Class>) = classes
        .into_iter()
        .partition(|class| names.binary_search(&class.name).is_ok());
    for picture in unknown.iter().flat_map(|class| &class.pictures) {
        left_out.add(|| picture.display().to_string(), &Why::Untrained);
    }
    known
}

/// The classes of a part that have pictures.
fn classes(folder: &Path, left_out: &mut LeftOut) -> Result<Vec<Class>, Error> {
    let mut classes = Vec::new();
    for path in visible(folder)? {
        if !path.is_dir() {
            left_out.add(|| path.display().to_string(), &Why::NoClass);
            continue;
        }
        let mut pictures = Vec::new();
        for (file, fault) in faults(files(&path)?) {
            match fault {
                None => pictures.push(file),
                Some(why) => left_out.add(|| file.display().to_string(), &why),
            }
        }
        if !pictures.is_empty() {
            // A name that is not UTF-8 is shown with marks in its place, which may make two names one.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            classes.push(Class {
                name: name.into_owned(),
                pictures,
            });
        }
    }
    Ok(classes)
}

/// Files with why they are no pictures, by their first bytes.
fn faults(files: Vec<PathBuf>) -> Vec<(PathBuf, Option<Why>)> {
    let fault = |path: &Path| -> Option<Why> {
        let unreadable = |error: std::io::Error| Why::Unreadable(error.to_string());
        let check = || {
            if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
                return Err(Why::NotAFile);
            }
            let mut start = Vec::new();
            let file = File::open(path).map_err(unreadable)?;
            file.take(START)
                .read_to_end(&mut start)
                .map_err(unreadable)?;
            match start.as_slice() {
                [] => Err(Why::Empty),
                start if is_picture(start) => Ok(()),
                _ => Err(Why::NotAPicture),
            }
        };
        check().err()
    };
    let files = files.into_par_iter();
    files
        .map(|path| {
            let why = fault(&path);
            (path, why)
        })
        .collect()
}

fn set(classes: Vec<Class>, names: &[String]) -> PictureSet {
    let mut entries = Vec::new();
    for class in classes {
        let label = names
            .binary_search(&class.name)
            .expect("every class has a name") as u32;
        entries.extend(class.pictures.into_iter().map(|path| Entry {
            place: Place::file(path),
            label,
        }));
    }
    PictureSet { entries }
}
