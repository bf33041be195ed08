//! Tar shards in WebDataset's form: `KEY.jpg` beside `KEY.cls` or `KEY.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use tar::{Archive, Entry as TarEntry, EntryType};

use crate::decode::{Why, is_picture};
use crate::entry::{Entry, Place, Shard};
use crate::error::Error;
use crate::shards::part::Part;

/// Longest `.cls` or `.json` file, in bytes.
const LONGEST_LABEL: u64 = 1 << 20;

/// What a shard holds under one key.
#[derive(Default)]
struct Sample {
    picture: Option<Place>,
    label: Option<u32>,
    /// Files that are neither.
    others: Vec<String>,
}

/// Where the pictures of a shard are. A sample's files share the path up to the first dot of the file's name, and its
/// label is the whole number in `.cls` or under `label` or `cls` in `.json`.
pub(super) fn read(path: &Path) -> Result<Part, Error> {
    let shared = Arc::new(Shard::Kept(path.to_owned()));
    let file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut archive = Archive::new(BufReader::new(file));
    let mut samples: BTreeMap<String, Sample> = BTreeMap::new();
    for entry in archive.entries_with_seek().map_err(Error::io(path))? {
        let mut entry = entry.map_err(Error::io(path))?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let (offset, bytes) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(Error::set(
                path,
                "cut short: a file in it reaches beyond its end",
            ));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((key, extension)) = key(&name) else {
            continue;
        };
        let sample = samples.entry(key.to_owned()).or_default();
        match extension {
            "cls" | "json" => sample.label = label(&mut entry, extension).or(sample.label),
            _ if sample.picture.is_none() && starts_as_picture(&mut entry) => {
                let file = shared.clone();
                sample.picture = Some(Place::Part {
                    file,
                    offset,
                    bytes,
                });
            }
            _ => sample.others.push(name.clone()),
        }
    }
    Ok(part(path, samples))
}

/// A name as key and extension: split at the first dot of its last part; none for hidden names.
fn key(name: &str) -> Option<(&str, &str)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name[file..].find('.').filter(|dot| *dot > 0)? + file;
    Some((&name[..dot], &name[dot + 1..]))
}

fn starts_as_picture(entry: &mut TarEntry<'_, impl Read>) -> bool {
    let mut start = Vec::new();
    entry.take(32).read_to_end(&mut start).is_ok() && is_picture(&start)
}

fn label(entry: &mut TarEntry<'_, impl Read>, extension: &str) -> Option<u32> {
    let mut text = String::new();
    entry.take(LONGEST_LABEL).read_to_string(&mut text).ok()?;
    if extension == "cls" {
        return text.trim().parse().ok();
    }
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    let label = value.get("label").or(value.get("cls")).unwrap_or(&value);
    label.as_u64()?.try_into().ok()
}

fn part(path: &Path, samples: BTreeMap<String, Sample>) -> Part {
    let mut part = Part::default();
    for (key, sample) in samples {
        let name = |file: &str| format!("{file} in {}", path.display());
        for other in &sample.others {
            part.left_out.add(|| name(other), &Why::NotAPicture);
        }
        match (sample.picture, sample.label) {
            (Some(place), Some(label)) => part.entries.push(Entry { place, label }),
            (Some(_), None) => part.left_out.add(|| name(&key), &Why::NoLabel),
            (None, _) => {}
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_the_first_dot_of_the_files_name() {
        assert_eq!(key("a.b/c.seg.png"), Some(("a.b/c", "seg.png")));
        assert_eq!(key("a/.hidden"), None);
        assert_eq!(key("plain"), None);
    }
}
