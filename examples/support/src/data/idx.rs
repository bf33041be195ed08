//! Fashion-MNIST's gzipped idx files.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::data::pictures::Pictures;
use crate::error::Error;

/// Most values of a file: a gigabyte.
const MOST: usize = 1 << 30;

/// A pair of files.
pub(super) struct Files {
    pub(super) images: &'static str,
    pub(super) labels: &'static str,
}

pub(super) const TRAIN: Files = Files {
    images: "train-images-idx3-ubyte.gz",
    labels: "train-labels-idx1-ubyte.gz",
};

pub(super) const TEST: Files = Files {
    images: "t10k-images-idx3-ubyte.gz",
    labels: "t10k-labels-idx1-ubyte.gz",
};

/// Reads a pair of files from `folder`.
pub(super) fn read(folder: &Path, files: &Files) -> Result<Pictures, Error> {
    let bytes = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| Error::DataFile {
            path,
            why: error.to_string(),
        })
    };
    let (images, labels) = (bytes(files.images)?, bytes(files.labels)?);
    decode(&images, &labels).map_err(|(file, why)| Error::DataFile {
        path: folder.join(match file {
            File::Images => files.images,
            File::Labels => files.labels,
        }),
        why,
    })
}

/// Which of the two is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    Images,
    Labels,
}

/// Decodes gzipped idx3 images and idx1 labels.
pub(super) fn decode(images: &[u8], labels: &[u8]) -> Result<Pictures, (File, String)> {
    let (shape, pixels) = idx::<3>(images).map_err(|why| (File::Images, why))?;
    let (counts, labels) = idx::<1>(labels).map_err(|why| (File::Labels, why))?;
    if shape[0] == 0 {
        return Err((File::Images, "expected pictures, got none".to_owned()));
    }
    if pixels.is_empty() {
        let why = format!(
            "expected pictures with pixels, got {} × {}",
            shape[1], shape[2]
        );
        return Err((File::Images, why));
    }
    if shape[0] != counts[0] {
        let why = format!(
            "expected one label per image, got {} images and {} labels",
            shape[0], counts[0]
        );
        return Err((File::Labels, why));
    }
    let size = [shape[1], shape[2]];
    Ok(Pictures::in_memory(pixels, labels, 1, size))
}

/// `N` dimensions and the bytes behind them. No more is unpacked than the header says, and one byte.
fn idx<const N: usize>(gzipped: &[u8]) -> Result<([usize; N], Vec<u8>), String> {
    let mut file = GzDecoder::new(gzipped);
    let mut read = |bytes: u64| {
        let mut content = Vec::new();
        let read = file.by_ref().take(bytes).read_to_end(&mut content);
        read.map(|_| content)
            .map_err(|error| format!("truncated or not gzip: {error}"))
    };
    let header = read(4 * (N as u64 + 1))?;
    let mut words = header.chunks_exact(4);
    let mut word = || {
        let word = words.next()?;
        Some(u32::from_be_bytes(word.try_into().ok()?))
    };
    let magic = word().ok_or("no header")?;
    if magic != 0x0800 + N as u32 {
        return Err(format!(
            "expected idx magic {:#06x}, got {magic:#06x}",
            0x0800 + N
        ));
    }
    let mut shape = [0; N];
    for side in &mut shape {
        *side = word().ok_or("header cut short")? as usize;
    }
    let expected = shape
        .iter()
        .try_fold(1usize, |product, side| product.checked_mul(*side))
        .filter(|expected| *expected <= MOST);
    let expected =
        expected.ok_or_else(|| format!("expected at most {MOST} values, got {shape:?}"))?;
    let values = read(expected as u64 + 1)?;
    match values.len() {
        got if got < expected => Err(format!(
            "truncated: expected {expected} bytes after the header, got {got}"
        )),
        got if got > expected => Err(format!(
            "expected {expected} bytes after the header, got more"
        )),
        _ => Ok((shape, values)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        GzEncoder::new(bytes, Compression::fast())
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    #[test]
    fn images_and_labels_decode() {
        let images = [
            &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1][..],
            &[7, 9],
        ]
        .concat();
        let pictures = decode(&gzip(&images), &gzip(&[0, 0, 8, 1, 0, 0, 0, 1, 4])).unwrap();
        assert_eq!(
            (
                &*pictures.read(0).unwrap(),
                pictures.label(0),
                pictures.size
            ),
            (&[7, 9][..], 4, [2, 1])
        );
    }

    #[test]
    fn truncated_pixels_and_truncated_gzip_are_errors() {
        let images = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 7];
        let labels = gzip(&[0, 0, 8, 1, 0, 0, 0, 1, 4]);
        let (file, error) = decode(&gzip(&images), &labels).unwrap_err();
        assert_eq!(file, File::Images);
        assert!(
            error.contains("expected 2 bytes after the header, got 1"),
            "{error}"
        );
        let whole = gzip(&images);
        let (_, error) = decode(&whole[..whole.len() / 2], &labels).unwrap_err();
        assert!(error.contains("truncated"), "{error}");
    }

    /// Many zeros, of which the header says two.
    #[test]
    fn no_more_is_unpacked_than_the_header_says() {
        let header = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1];
        let mut bomb = Vec::new();
        let zeros = std::io::repeat(0).take(1 << 20);
        GzEncoder::new(header.chain(zeros), Compression::fast())
            .read_to_end(&mut bomb)
            .unwrap();
        let (_, error) = decode(&bomb, &gzip(&[0, 0, 8, 1, 0, 0, 0, 1, 4])).unwrap_err();
        assert!(
            error.contains("expected 2 bytes after the header, got more"),
            "{error}"
        );
    }

    #[test]
    fn sizes_that_no_set_has_are_refused() {
        for sides in [
            [1 << 31, 1 << 31, 1 << 31],
            [u32::MAX; 3],
            [1 << 20, 1 << 10, 2],
        ] {
            let words = [0x803].into_iter().chain(sides);
            let header: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
            let (_, error) = decode(&gzip(&header), &gzip(&[])).unwrap_err();
            assert!(error.contains("expected at most"), "{error}");
        }
        let empty = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        let labels = gzip(&[0, 0, 8, 1, 0, 0, 0, 1, 4]);
        let (file, error) = decode(&gzip(&empty), &labels).unwrap_err();
        assert_eq!(
            (file, error.contains("pixels")),
            (File::Images, true),
            "{error}"
        );
    }

    #[test]
    fn wrong_labels_are_told_from_wrong_images() {
        let images = gzip(&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7]);
        for labels in [
            gzip(&[0, 0, 8, 1, 0, 0, 0, 2, 4]),
            gzip(&[0, 0, 8, 1, 0, 0, 0, 2, 4, 5]),
            b"no gzip".to_vec(),
        ] {
            assert_eq!(decode(&images, &labels).unwrap_err().0, File::Labels);
        }
    }
}
