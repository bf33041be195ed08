//! Where the members of a zip archive lie, as far as PyTorch's and NumPy's files need it.

use std::io::{Read, Seek, SeekFrom};

/// Most bytes that are read of a directory.
const MAX_DIRECTORY: u64 = 64 << 20;

/// A member that is stored as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where its bytes start in the file.
    pub(crate) start: u64,
    pub(crate) size: u64,
}

/// The members of the archive `file` of `size` bytes.
///
/// # Errors
///
/// What is wrong, in words: no directory, one that lies outside the file, a member that is compressed or lies outside.
pub(crate) fn members(file: &mut (impl Read + Seek), size: u64) -> Result<Vec<Member>, String> {
    let broken = || "its zip directory is broken".to_owned();
    let tail = read(file, size.saturating_sub(66_000), size.min(66_000))?;
    let end = tail.windows(4).rposition(|word| word == b"PK\x05\x06");
    let end = end.ok_or_else(|| "it has no zip directory; it is truncated".to_owned())?;
    let (mut length, mut from) = (number(&tail, end + 12, 4), number(&tail, end + 16, 4));
    if from == Some(0xffff_ffff)
        && let Some(locator) = end.checked_sub(20)
        && tail[locator..].starts_with(b"PK\x06\x07")
    {
        let at = number(&tail, locator + 8, 8).ok_or_else(broken)?;
        let long = read(file, at, 56)?;
        (length, from) = (number(&long, 40, 8), number(&long, 48, 8));
    }
    let (length, from) = length.zip(from).ok_or_else(broken)?;
    if length > MAX_DIRECTORY || from.checked_add(length).is_none_or(|end| end > size) {
        return Err(broken());
    }
    let directory = read(file, from, length)?;
    let mut members = Vec::new();
    let mut at = 0;
    while directory
        .get(at..)
        .is_some_and(|rest| rest.starts_with(b"PK\x01\x02"))
    {
        let (member, next) = member(&directory, at).ok_or_else(broken)?;
        let member = member?;
        members.push(located(file, member, size)?);
        at = next;
    }
    Ok(members)
}

/// The member at `at` of a directory, with the place of its header, and where the next one starts.
fn member(directory: &[u8], at: usize) -> Option<(Result<Member, String>, usize)> {
    let field = |offset: usize, bytes: usize| number(directory, at + offset, bytes);
    let [name, extra, comment] =
        [field(28, 2)?, field(30, 2)?, field(32, 2)?].map(|length| length as usize);
    let text = directory.get(at + 46..at + 46 + name)?;
    let text = String::from_utf8_lossy(text).into_owned();
    let more = directory.get(at + 46 + name..at + 46 + name + extra)?;
    let next = at + 46 + name + extra + comment;
    if field(10, 2)? != 0 {
        return Some((
            Err(format!(
                "'{text}' in it is compressed; save it again uncompressed (numpy.savez)"
            )),
            next,
        ));
    }
    let mut long = zip64(more).into_iter();
    let mut wide = |value: u64| match value {
        0xffff_ffff => long.next(),
        _ => Some(value),
    };
    let size = wide(field(24, 4)?)?;
    wide(field(20, 4)?)?;
    let start = wide(field(42, 4)?)?;
    let member = Member {
        name: text,
        start,
        size,
    };
    Some((Ok(member), next))
}

/// The numbers of a zip64 extra field.
fn zip64(mut extra: &[u8]) -> Vec<u64> {
    while let Some((kind, length)) = number(extra, 0, 2).zip(number(extra, 2, 2)) {
        let Some(field) = extra.get(4..4 + length as usize) else {
            break;
        };
        if kind == 1 {
            let words = field.chunks_exact(8);
            return words.filter_map(|word| number(word, 0, 8)).collect();
        }
        extra = &extra[4 + length as usize..];
    }
    Vec::new()
}

/// The member with the place of its bytes, from its own header.
fn located(file: &mut (impl Read + Seek), member: Member, size: u64) -> Result<Member, String> {
    let Member {
        name,
        start,
        size: own,
    } = member;
    let outside = || format!("'{name}' in it lies outside the file; it is truncated");
    if start.checked_add(30).is_none_or(|end| end > size) {
        return Err(outside());
    }
    let header = read(file, start, 30)?;
    let skipped = number(&header, 26, 2).zip(number(&header, 28, 2));
    let (text, extra) = skipped.ok_or_else(outside)?;
    let start = start + 30 + text + extra;
    if start.checked_add(own).is_none_or(|end| end > size) {
        return Err(outside());
    }
    Ok(Member {
        name,
        start,
        size: own,
    })
}

fn read(file: &mut (impl Read + Seek), from: u64, length: u64) -> Result<Vec<u8>, String> {
    file.seek(SeekFrom::Start(from))
        .map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(length)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// A little-endian number of `bytes` bytes.
fn number(data: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let word = data.get(at..at.checked_add(bytes)?)?;
    Some(
        word.iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}
