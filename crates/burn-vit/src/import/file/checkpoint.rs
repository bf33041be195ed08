//! A checkpoint on disk.

use std::collections::HashMap;
use std::fs::{File, metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::import::error::ImportError;
use crate::import::file::entry::Entry;
use crate::import::file::header::{MAX_HEADER, parse_header};
use crate::import::file::index::parse_index;
use crate::import::file::npz::read_npz;
use crate::import::file::sniff::foreign;
use crate::import::file::torch::read_torch;
use crate::import::file::zip::members;

/// Largest index that is read.
const MAX_INDEX: u64 = 64 << 20;

/// A checkpoint in one safetensors file, in several with an index, in a file of `torch.save`, or in one of `numpy.savez`.
/// Opening it reads headers alone, and nothing in it is run.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    shards: Vec<Shard>,
    entries: Vec<(usize, Entry)>,
    /// Where in `entries` a name is: a file may hold a million.
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    data: u64,
}

impl Checkpoint {
    /// Opens a `.safetensors` file, an index (`.json`) of several, a folder that holds either as `model.safetensors`, a
    /// file of `torch.save` (`.pth`, `.bin`), or one of `numpy.savez` (`.npz`).
    ///
    /// # Errors
    ///
    /// [`ImportError::File`] with the file and what is wrong with it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = weights_file(path.as_ref())?;
        let mut checkpoint = Self {
            path: path.clone(),
            shards: Vec::new(),
            entries: Vec::new(),
            places: HashMap::new(),
        };
        if path.extension().is_some_and(|end| end == "json") {
            checkpoint.add_index(&path)?;
        } else {
            checkpoint.add_shard(&path)?;
        }
        let names = checkpoint.entries.iter().enumerate();
        let places = names.map(|(place, (_, entry))| (entry.name.clone(), place));
        checkpoint.places = places.collect();
        Ok(checkpoint)
    }

    /// The file, or the index.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// The tensor called `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        let place = self.places.get(name)?;
        Some(&self.entries[*place].1)
    }

    /// The bytes of the tensor called `name`, in little-endian order.
    ///
    /// # Errors
    ///
    /// [`ImportError::File`] if there is no such tensor or the file ends before it does.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ImportError> {
        let found = self.places.get(name).map(|place| &self.entries[*place]);
        let Some((shard, entry)) = found else {
            return Err(ImportError::file(&self.path, format!("no tensor '{name}'")));
        };
        let Shard { path, data } = &self.shards[*shard];
        let [from, to] = entry.range;
        let failed = |error: std::io::Error| ImportError::file(path, error.to_string());
        let mut file = File::open(path).map_err(failed)?;
        file.seek(SeekFrom::Start(data + from as u64))
            .map_err(failed)?;
        let mut bytes = vec![0; to - from];
        file.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    fn add_index(&mut self, path: &Path) -> Result<(), ImportError> {
        let failed = |error: std::io::Error| ImportError::file(path, error.to_string());
        let mut text = String::new();
        let file = regular(path)?;
        file.take(MAX_INDEX)
            .read_to_string(&mut text)
            .map_err(failed)?;
        let files = parse_index(&text).map_err(|reason| ImportError::file(path, reason))?;
        for (file, mut names) in files {
            let shard = path.with_file_name(file);
            let before = self.entries.len();
            self.add_shard(&shard)?;
            let mut held: Vec<&str> = self.entries[before..]
                .iter()
                .map(|(_, entry)| entry.name.as_str())
                .collect();
            held.sort_unstable();
            names.sort_unstable();
            if held != names {
                let reason = format!("it does not hold the tensors that {} says", path.display());
                return Err(ImportError::file(&shard, reason));
            }
        }
        Ok(())
    }

    fn add_shard(&mut self, path: &Path) -> Result<(), ImportError> {
        let (entries, data) = read_header(path)?;
        let shard = self.shards.len();
        self.shards.push(Shard {
            path: path.to_owned(),
            data,
        });
        self.entries
            .extend(entries.into_iter().map(|entry| (shard, entry)));
        Ok(())
    }
}

/// The file of weights that `path` means.
fn weights_file(path: &Path) -> Result<PathBuf, ImportError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let files = ["model.safetensors", "model.safetensors.index.json"].map(|name| path.join(name));
    let found = files.iter().find(|file| file.is_file());
    found.cloned().ok_or_else(|| {
        let reason = "expected model.safetensors or model.safetensors.index.json in this folder";
        ImportError::file(path, reason)
    })
}

/// Opens a file; a pipe or a device, which would wait or never end, is refused.
fn regular(path: &Path) -> Result<File, ImportError> {
    let failed = |error: std::io::Error| ImportError::file(path, error.to_string());
    if !metadata(path).map_err(failed)?.is_file() {
        return Err(ImportError::file(path, "it is no regular file"));
    }
    File::open(path).map_err(failed)
}

/// Tensors of a file, and where their bytes start.
fn read_header(path: &Path) -> Result<(Vec<Entry>, u64), ImportError> {
    let failed = |error: std::io::Error| ImportError::file(path, error.to_string());
    let refuse = |reason: String| ImportError::file(path, reason);
    let mut file = regular(path)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut start = Vec::with_capacity(64);
    (&mut file)
        .take(64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    if let Some(reason) = foreign(&start) {
        return Err(refuse(reason.to_owned()));
    }
    if start.starts_with(b"PK\x03\x04") {
        return Ok((read_archive(&mut file, size).map_err(refuse)?, 0));
    }
    let Some(length) = start
        .first_chunk::<8>()
        .map(|bytes| u64::from_le_bytes(*bytes))
    else {
        return Err(refuse(format!("it has {size} bytes, too few for a header")));
    };
    let rest = size - 8;
    if length > rest || length > MAX_HEADER as u64 {
        return Err(refuse(format!(
            "its header would have {length} bytes, the file has {rest} more; it is truncated or no safetensors file"
        )));
    }
    file.seek(SeekFrom::Start(8)).map_err(failed)?;
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json).map_err(failed)?;
    let data = usize::try_from(rest - length).map_err(|error| refuse(error.to_string()))?;
    Ok((parse_header(&json, data).map_err(refuse)?, 8 + length))
}

/// Tensors of a zip archive: NumPy's or PyTorch's.
fn read_archive(file: &mut File, size: u64) -> Result<Vec<Entry>, String> {
    let members = members(file, size)?;
    if members.iter().any(|member| member.name.ends_with(".npy")) {
        return read_npz(file, &members);
    }
    read_torch(file, &members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, bytes: &[u8]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("burn-vit-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn tensors_are_read_by_name_from_one_file_or_several() {
        let header = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#;
        let path = written("whole.safetensors", &safetensors(header, &[7, 8, 9]));
        let whole = Checkpoint::open(path).unwrap();
        assert_eq!(whole.read("a").unwrap(), [7, 8]);
        assert_eq!(whole.read("b").unwrap(), [9]);

        let one = r#"{"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
        written("part.safetensors", &safetensors(one, &[5]));
        let map = r#"{"weight_map":{"a":"whole.safetensors","b":"whole.safetensors","c":"part.safetensors"}}"#;
        let index = written("model.safetensors.index.json", map.as_bytes());
        let both = Checkpoint::open(index).unwrap();
        assert_eq!(
            (both.read("c").unwrap(), both.entries().count()),
            (vec![5], 3)
        );
        assert!(both.read("d").is_err());

        let lacking = r#"{"weight_map":{"a":"whole.safetensors"}}"#;
        let index = written("lacking.json", lacking.as_bytes());
        let error = Checkpoint::open(index).unwrap_err().to_string();
        assert!(error.contains("does not hold"), "{error}");
    }

    #[test]
    fn what_is_no_checkpoint_is_refused_with_file_and_reason() {
        let beyond = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        for (name, bytes, word) in [
            ("page.safetensors", &b"<!DOCTYPE html>"[..], "HTML"),
            ("empty.safetensors", b"", "too few"),
            ("long.safetensors", &beyond, "truncated"),
        ] {
            let error = Checkpoint::open(written(name, bytes)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(word), "{text}");
        }
        assert!(Checkpoint::open("no/such.safetensors").is_err());
    }
}
