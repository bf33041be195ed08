//! NumPy's `.npz` files, as `numpy.savez` writes them: a zip archive of `.npy` files.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use crate::import::file::dtype::Dtype;
use crate::import::file::entry::Entry;
use crate::import::file::zip::Member;

/// Longest header of an array that is read.
const MAX_HEADER: u64 = 1 << 16;

/// What `.npy` files start with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The arrays of the archive `file`, with ranges from the start of the file. No value is read.
///
/// # Errors
///
/// What is wrong, in words, with the name of the array.
pub(crate) fn read_npz(
    file: &mut (impl Read + Seek),
    members: &[Member],
) -> Result<Vec<Entry>, String> {
    let mut names = HashSet::new();
    let mut entries = Vec::new();
    for member in members {
        let Some(name) = member.name.strip_suffix(".npy") else {
            continue;
        };
        if !names.insert(name) {
            return Err(format!("it has two arrays called '{name}'"));
        }
        let entry = read_array(file, name, member);
        entries.push(entry.map_err(|reason| format!("'{name}' in it {reason}"))?);
    }
    Ok(entries)
}

fn read_array(file: &mut (impl Read + Seek), name: &str, member: &Member) -> Result<Entry, String> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(member.start))
        .and_then(|_| {
            file.take(member.size.min(MAX_HEADER))
                .read_to_end(&mut start)
        })
        .map_err(|error| error.to_string())?;
    let broken = || "is no NumPy array".to_owned();
    let version = start.strip_prefix(MAGIC).and_then(|rest| rest.first());
    let (length, from): (_, usize) = match version.ok_or_else(broken)? {
        1 => (number(&start, 8, 2), 10),
        _ => (number(&start, 8, 4), 12),
    };
    let behind = length.and_then(|length| from.checked_add(length));
    let behind = behind.ok_or_else(broken)?;
    let header = start.get(from..behind).ok_or_else(broken)?;
    let header = std::str::from_utf8(header).map_err(|_| broken())?;
    let dtype = dtype(quoted(header, "descr").ok_or_else(broken)?)?;
    if after(header, "fortran_order").is_none_or(|rest| !rest.starts_with("False")) {
        return Err("lies in Fortran's order; save it again after numpy.ascontiguousarray".into());
    }
    let shape = shape(header).ok_or_else(broken)?;
    let bytes = shape
        .iter()
        .try_fold(dtype.size(), |product, side| product.checked_mul(*side));
    let own = member.size - behind as u64;
    if bytes.is_none_or(|bytes| bytes as u64 != own) {
        return Err(format!("has {own} bytes of values for the shape {shape:?}"));
    }
    let start = usize::try_from(member.start).map_err(|error| error.to_string())?;
    let first = start + behind;
    Ok(Entry {
        name: name.to_owned(),
        dtype,
        shape,
        range: [first, first + bytes.unwrap_or(0)],
    })
}

/// By NumPy's name; `V2` is how bfloat16 of JAX is written.
fn dtype(name: &str) -> Result<Dtype, String> {
    Ok(match name {
        "<f8" => Dtype::F64,
        "<f4" => Dtype::F32,
        "<f2" => Dtype::F16,
        "|V2" | "<V2" | "bfloat16" => Dtype::Bf16,
        "<i8" | "<u8" => Dtype::Other(8),
        "<i4" | "<u4" => Dtype::Other(4),
        "<i2" | "<u2" => Dtype::Other(2),
        "|i1" | "|u1" | "|b1" => Dtype::Other(1),
        other => return Err(format!("has the type '{other}', which is not read")),
    })
}

/// What stands behind a key of the header, which is a Python dictionary.
fn after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = header[at + key.len() + 2..].trim_start();
    Some(rest.strip_prefix(':')?.trim_start())
}

fn quoted<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let rest = after(header, key)?.strip_prefix('\'')?;
    rest.split_once('\'').map(|(text, _)| text)
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let rest = after(header, "shape")?.strip_prefix('(')?;
    let (sides, _) = rest.split_once(')')?;
    let sides = sides.split(',').map(str::trim);
    let sides = sides.filter(|side| !side.is_empty());
    sides.map(|side| side.parse().ok()).collect()
}

/// A little-endian number of `bytes` bytes.
fn number(data: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let word = data.get(at..at + bytes)?;
    Some(
        word.iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn npy(header: &str, values: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), values].concat()
    }

    fn read(bytes: Vec<u8>) -> Result<Vec<Entry>, String> {
        let member = Member {
            name: "a/kernel.npy".to_owned(),
            start: 0,
            size: bytes.len() as u64,
        };
        read_npz(&mut Cursor::new(bytes), &[member])
    }

    #[test]
    fn an_array_has_its_name_type_shape_and_place() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }  \n";
        let entries = read(npy(header, &[0; 8])).unwrap();
        let from = 10 + header.len();
        let want = Entry {
            name: "a/kernel".to_owned(),
            dtype: Dtype::F32,
            shape: vec![1, 2],
            range: [from, from + 8],
        };
        assert_eq!(entries, [want]);
        let scalar = "{'descr': '<i8', 'fortran_order': False, 'shape': (), }";
        assert_eq!(
            read(npy(scalar, &[0; 8])).unwrap()[0].shape,
            Vec::<usize>::new()
        );
    }

    #[test]
    fn what_is_no_such_array_is_refused_with_name_and_reason() {
        let header = |descr: &str, order: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
        };
        let huge = format!("({0}, {0}, {0})", 1u64 << 40);
        for (header, word) in [
            (header("'<f4'", "True", "(1, 2)"), "Fortran"),
            (header("'<f4'", "False", "(1, 3)"), "8 bytes of values"),
            (header("'<f4'", "False", &huge), "8 bytes of values"),
            (header("'<f4'", "False", "(-1, 2)"), "no NumPy array"),
            (header("'|O'", "False", "(1, 2)"), "'|O'"),
            (header("[('x', '<f4')]", "False", "(2,)"), "no NumPy array"),
            ("{}".to_owned(), "no NumPy array"),
        ] {
            let error = read(npy(&header, &[0; 8])).unwrap_err();
            assert!(
                error.contains("a/kernel") && error.contains(word),
                "{error}"
            );
        }
        let mut long = npy("{}", &[]);
        long[8..10].fill(0xff);
        assert!(read(long).is_err());
        assert!(read(b"PK".to_vec()).is_err());
    }
}
