//! A configuration file.

use std::fs::{File, metadata};
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;

/// Beyond this, a file is no configuration.
const MAX_FILE: u64 = 16 << 20;

/// What a JSON file says.
pub(crate) fn read(path: &Path) -> Result<Value, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, error);
    let about = metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(Failure::file(path, "it is no regular file"));
    }
    if about.len() > MAX_FILE {
        return Err(Failure::file(path, "it is too long for a configuration"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(failed)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::file(path, format_args!("it is no JSON: {error}")))
}
