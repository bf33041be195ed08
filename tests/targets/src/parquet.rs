//! A parquet file.

use burn_patch_data::open;

use crate::scratch::Scratch;
use crate::sets::check;

/// Reads a file of these bytes.
pub fn parquet(data: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.write("train.parquet", data);
    if let Ok(sets) = open(&path.expect("a file")) {
        check(sets);
    }
}
