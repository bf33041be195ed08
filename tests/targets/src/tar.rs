//! A tar shard.

use burn_patch_data::open;

use crate::scratch::Scratch;
use crate::sets::check;

/// Reads a shard of these bytes.
pub fn tar(data: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.write("shard.tar", data);
    if let Ok(sets) = open(&path.expect("a file")) {
        check(sets);
    }
}
