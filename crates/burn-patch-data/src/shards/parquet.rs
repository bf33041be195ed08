//! Parquet files as image sets on the Hugging Face Hub are stored.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

use crate::decode::Why;
use crate::entry::{Entry, Place, Shard};
use crate::error::Error;
use crate::shards::part::Part;

/// The pictures of a file with a column `image` or `img` of `{bytes, path}` and a whole number `label` or `fine_label`.
///
/// Rows cannot be read singly, so their pictures are copied once to a temporary file, which goes with the
/// set; memory holds one row at a time.
///
/// The format's crate panics over some damaged files: that is an error like others here.
pub(super) fn read(path: &Path) -> Result<Part, Error> {
    catch_unwind(AssertUnwindSafe(|| read_rows(path))).unwrap_or_else(|panic| {
        let texts = [
            panic.downcast_ref::<String>().map(String::as_str),
            panic.downcast_ref().copied(),
        ];
        let why = texts
            .into_iter()
            .flatten()
            .next()
            .unwrap_or("its reader broke off");
        Err(Error::set(path, format!("damaged: {why}")))
    })
}

fn read_rows(path: &Path) -> Result<Part, Error> {
    let broken = |error: parquet::errors::ParquetError| Error::set(path, error.to_string());
    let file = File::open(path).map_err(Error::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let (spool, spool_path) = tempfile::Builder::new()
        .prefix("burn-patch-")
        .tempfile()
        .map_err(Error::io(&std::env::temp_dir()))?
        .into_parts();
    let shared = Arc::new(Shard::Spooled(spool_path));
    let mut out = BufWriter::new(spool);
    let mut part = Part {
        classes: class_names(&reader),
        ..Part::default()
    };
    let mut offset = 0;
    for (index, row) in reader.get_row_iter(None).map_err(broken)?.enumerate() {
        let row = row.map_err(broken)?;
        let name = || format!("row {index} of {}", path.display());
        match sample(&row) {
            Ok((bytes, label)) => {
                out.write_all(bytes).map_err(Error::io(shared.path()))?;
                let place = Place::Part {
                    file: shared.clone(),
                    offset,
                    bytes: bytes.len() as u64,
                };
                offset += bytes.len() as u64;
                part.entries.push(Entry { place, label });
            }
            Err(why) => part.left_out.add(name, &why),
        }
    }
    out.flush().map_err(Error::io(shared.path()))?;
    Ok(part)
}

fn sample(row: &Row) -> Result<(&[u8], u32), Why> {
    let column = |names: &[&str]| {
        row.get_column_iter()
            .find(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, field)| field)
    };
    let bytes = match column(&["image", "img"]) {
        Some(Field::Group(image)) => image
            .get_column_iter()
            .find(|(name, _)| name.as_str() == "bytes")
            .map(|(_, field)| field),
        field => field,
    };
    let Some(Field::Bytes(bytes)) = bytes else {
        return Err(Why::NotAPicture);
    };
    let label = match column(&["label", "fine_label", "labels"]) {
        Some(Field::Long(label)) => u32::try_from(*label).ok(),
        Some(Field::Int(label)) => u32::try_from(*label).ok(),
        _ => None,
    };
    Ok((bytes.data(), label.ok_or(Why::NoLabel)?))
}

/// The names in the `huggingface` entry of the file's metadata.
fn class_names(reader: &SerializedFileReader<File>) -> Option<Vec<String>> {
    let metadata = reader.metadata().file_metadata().key_value_metadata()?;
    let entry = metadata.iter().find(|entry| entry.key == "huggingface")?;
    let info: serde_json::Value = serde_json::from_str(entry.value.as_ref()?).ok()?;
    let features = info.get("info")?.get("features")?;
    let names = ["label", "fine_label", "labels"]
        .iter()
        .find_map(|label| features.get(label)?.get("names"))?;
    let names = names.as_array()?.iter();
    names.map(|name| name.as_str().map(str::to_owned)).collect()
}
