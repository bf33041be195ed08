//! A folder of pictures.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use burn_patch_data::{PictureSet, open};

use crate::scratch::{Scratch, split};
use crate::sets::check;

/// Most files of a folder.
const MOST: usize = 24;

/// Reads a folder with these files: for each a name and a content, two bytes with its length before each. Every file
/// that is not hidden is a picture of the set or counted.
pub fn folder(mut data: &[u8]) {
    let scratch = Scratch::new();
    let root = scratch.path().join("set");
    for _ in 0..MOST {
        let (name, rest) = split(data);
        let (content, rest) = split(rest);
        data = rest;
        if let Some(name) = tame(name) {
            scratch.write(root.join(name), content);
        }
    }
    let Ok(sets) = open(&root) else {
        return;
    };
    let pictures = sets.train.len() + sets.test.as_ref().map_or(0, PictureSet::len);
    let found = pictures + sets.left_out.count();
    assert_eq!(found, visible(&root), "{}", sets.summary());
    check(sets);
}

/// A name that stays within the folder and is no shard's.
fn tame(name: &[u8]) -> Option<PathBuf> {
    let parts = name.split(|byte| *byte == b'/');
    let plain = |part: &&[u8]| !matches!(*part, b"" | b"." | b"..") && !part.contains(&0);
    let path: PathBuf = parts.filter(plain).map(OsStr::from_bytes).collect();
    let shard = path
        .extension()
        .is_some_and(|end| end == "tar" || end == "parquet");
    (path.file_name().is_some() && !shard).then_some(path)
}

/// Files below a folder that are not hidden.
fn visible(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let entries = entries.map(|entry| entry.expect("a file of ours"));
    let shown = entries.filter(|entry| {
        let name = entry.file_name();
        name != "__MACOSX" && !name.as_bytes().starts_with(b".")
    });
    let counts = shown.map(|entry| match entry.path().is_dir() {
        true => visible(&entry.path()),
        false => 1,
    });
    counts.sum()
}
