//! From a path to its pictures.

use std::path::Path;

use crate::error::Error;
use crate::sets::Sets;
use crate::{folder, shards};

/// Pictures below `path`, by class: folders of pictures, tar shards in WebDataset's form, or, with the feature
/// `parquet`, parquet files in the form of the Hugging Face Hub.
///
/// A folder holds a folder for each class, or `train` and `val` or `test` that do, or shards. Pictures may lie in
/// folders within a class. Names that begin with a dot and `__MACOSX` are passed over; every other file is a picture of
/// the set or counted in [`Sets::left_out`]. What is a picture is told by content, not by name.
///
/// # Errors
///
/// If there is nothing, or nothing that is a set of pictures.
pub fn open(path: &Path) -> Result<Sets, Error> {
    if !path.exists() {
        return Err(Error::Missing(path.to_owned()));
    }
    let sets = match shards::find(path)? {
        Some(shards) => shards.read()?,
        None if path.is_dir() => folder::read(path)?,
        None => {
            return Err(Error::set(
                path,
                "expected a folder of classes, or a .tar or .parquet file, got another file",
            ));
        }
    };
    if sets.train.is_empty() {
        let why = format!("expected pictures to train with, got {}", sets.summary());
        return Err(Error::set(path, why));
    }
    Ok(sets)
}
