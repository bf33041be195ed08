//! The header of a safetensors file, read without believing it.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::import::file::dtype::Dtype;
use crate::import::file::entry::Entry;

/// Longest header that is read, the format's own limit.
pub const MAX_HEADER: usize = 100_000_000;

/// Entries of the header `json` of a file with `data` bytes behind it.
///
/// The format of <https://github.com/huggingface/safetensors>: names, types, shapes and byte ranges, which follow each
/// other without gaps.
///
/// # Errors
///
/// What is wrong, in words: no JSON, a name twice, an unknown type, a shape whose product overflows, a range that is not
/// as long as its tensor, that lies outside the file, that overlaps another, or bytes that no tensor has.
pub fn parse_header(json: &[u8], data: usize) -> Result<Vec<Entry>, String> {
    let Header(raw) = serde_json::from_slice(json)
        .map_err(|error| format!("the header is no safetensors header: {error}"))?;
    let mut names = HashSet::with_capacity(raw.len());
    let mut entries = Vec::with_capacity(raw.len());
    for (name, tensor) in raw {
        if !names.insert(name.clone()) {
            return Err(format!("the name '{name}' is there twice"));
        }
        entries.push(checked(name, tensor, data)?);
    }
    check_ranges(&entries, data)?;
    Ok(entries)
}

fn checked(name: String, tensor: RawTensor, data: usize) -> Result<Entry, String> {
    let RawTensor {
        dtype,
        shape,
        data_offsets: range,
    } = tensor;
    let Some(dtype) = Dtype::by_name(&dtype) else {
        return Err(format!("'{name}' has the unknown type '{dtype}'"));
    };
    let bytes = shape
        .iter()
        .try_fold(dtype.size(), |product, side| product.checked_mul(*side));
    let Some(bytes) = bytes else {
        return Err(format!("the size of '{name}' overflows: {shape:?}"));
    };
    let [from, to] = range;
    if to > data || from > to {
        return Err(format!(
            "'{name}' lies at bytes {from} to {to} of {data}; the file is truncated or corrupt"
        ));
    }
    if to - from != bytes {
        return Err(format!(
            "'{name}' of {shape:?} takes {bytes} bytes, its range has {}",
            to - from
        ));
    }
    Ok(Entry {
        name,
        dtype,
        shape,
        range,
    })
}

fn check_ranges(entries: &[Entry], data: usize) -> Result<(), String> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|entry| entry.range);
    let mut end = 0;
    for entry in order {
        let [from, to] = entry.range;
        if from < end {
            return Err(format!(
                "'{}' overlaps the tensor before it: it starts at byte {from}, before {end}",
                entry.name
            ));
        }
        if from > end {
            return Err(format!("no tensor has the bytes {end} to {from}"));
        }
        end = to;
    }
    if end != data {
        return Err(format!("no tensor has the bytes {end} to {data}"));
    }
    Ok(())
}

#[derive(Deserialize)]
struct RawTensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// All pairs of the header, a name that is there twice included, without its metadata.
struct Header(Vec<(String, RawTensor)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names and tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        pairs.push((name, map.next_value()?));
                    }
                }
                Ok(Header(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, dtype: &str, shape: &str, range: &str) -> String {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{range}}}"#)
    }

    fn parse(tensors: &[String], data: usize) -> Result<Vec<Entry>, String> {
        parse_header(format!("{{{}}}", tensors.join(",")).as_bytes(), data)
    }

    #[test]
    fn a_sound_header_gives_its_tensors() {
        let tensors = [
            r#""__metadata__":{"format":"pt"}"#.to_owned(),
            tensor("a", "F32", "[2,3]", "[0,24]"),
            tensor("b", "BF16", "[]", "[24,26]"),
            tensor("empty", "F32", "[0,7]", "[26,26]"),
        ];
        let entries = parse(&tensors, 26).unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].shape, [2, 3]);
        assert_eq!(
            (entries[1].dtype, entries[1].range),
            (Dtype::Bf16, [24, 26])
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        let huge = "[4294967296,4294967296,2]";
        for (tensors, data, word) in [
            (vec![tensor("a", "F32", "[2]", "[0,8]"); 2], 8, "twice"),
            (vec![tensor("a", "F32", huge, "[0,8]")], 8, "overflows"),
            (vec![tensor("a", "F32", "[2]", "[0,8]")], 7, "truncated"),
            (vec![tensor("a", "F32", "[2]", "[8,0]")], 8, "truncated"),
            (vec![tensor("a", "F32", "[3]", "[0,8]")], 8, "12 bytes"),
            (vec![tensor("a", "Q4", "[3]", "[0,8]")], 8, "unknown type"),
            (vec![tensor("a", "F32", "[1]", "[4,8]")], 8, "bytes 0 to 4"),
            (vec![tensor("a", "F32", "[1]", "[0,4]")], 8, "bytes 4 to 8"),
            (
                vec![
                    tensor("a", "F32", "[2]", "[0,8]"),
                    tensor("b", "F32", "[1]", "[4,8]"),
                ],
                8,
                "overlaps",
            ),
            (vec!["\"a\":3".to_owned()], 0, "no safetensors header"),
        ] {
            let error = parse(&tensors, data).unwrap_err();
            assert!(error.contains(word), "{error}: no '{word}'");
        }
        assert!(parse_header(b"[", 0).is_err());
    }
}
