//! A folder of pictures by class.

use std::path::{Path, PathBuf};

use crate::data::decode::picture;
use crate::data::idx;
use crate::data::pictures::Pictures;
use crate::data::split::Split;
use crate::error::Error;

/// Reads `folder/CLASS/*` or `folder/{train,test}/CLASS/*`, each picture resized to `side × side` RGB.
pub(super) fn read(folder: &Path, side: u32) -> Result<Split, Error> {
    let name = folder.display().to_string();
    let (train, test) = (folder.join("train"), folder.join("test"));
    if !(train.is_dir() && test.is_dir()) {
        let classes = classes(folder)?;
        let all = pictures(folder, &classes, side)?;
        return Ok(Split::shuffled(&name, &classes, all));
    }
    let classes = classes(&train)?;
    Ok(Split::new(
        &name,
        &classes,
        pictures(&train, &classes, side)?.shuffled(),
        pictures(&test, &classes, side)?.shuffled(),
    ))
}

/// Names of the sub-folders, sorted.
fn classes(folder: &Path) -> Result<Vec<String>, Error> {
    let classes: Vec<String> = entries(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    if classes.is_empty() || classes.len() > usize::from(u8::MAX) {
        return Err(Error::DataFolder {
            path: folder.to_owned(),
            why: format!(
                "expected {} and its companions, or 1 to 255 folders of pictures, got {} folders",
                idx::TRAIN.images,
                classes.len()
            ),
        });
    }
    Ok(classes)
}

fn pictures(folder: &Path, classes: &[String], side: u32) -> Result<Pictures, Error> {
    let side_px = side as usize;
    let mut all = Pictures {
        pixels: vec![],
        labels: vec![],
        channels: 3,
        size: [side_px; 2],
    };
    for (label, class) in classes.iter().enumerate() {
        for path in entries(&folder.join(class))?
            .into_iter()
            .filter(|path| is_picture(path))
        {
            all.pixels.extend(picture(&path, all.size, all.channels)?);
            all.labels.push(label as u8);
        }
    }
    if all.len() < 10 {
        return Err(Error::DataFolder {
            path: folder.to_owned(),
            why: format!(
                "expected at least 10 pictures (png, jpg, jpeg), got {}",
                all.len()
            ),
        });
    }
    Ok(all)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["png", "jpg", "jpeg"].contains(&extension.to_ascii_lowercase().as_str())
    })
}

/// What lies in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let broken = |error: std::io::Error| Error::DataFolder {
        path: folder.to_owned(),
        why: error.to_string(),
    };
    let mut paths = std::fs::read_dir(folder)
        .map_err(broken)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(broken)?;
    paths.sort();
    Ok(paths)
}
