//! One picture from its bytes.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use crate::jpeg;

/// Bytes that a decoder may use for any picture: 22 million RGB pixels.
const LEAST_BYTES: u64 = 64 << 20;

/// Pixels of a picture for each pixel that is asked for, beyond which it is refused.
const PIXELS_PER_PIXEL: u64 = 4096;

/// Longest side of a picture for each pixel of the other: resized to a model's size, a longer one would take as much
/// memory as a bomb.
const LONGEST: u32 = 256;

/// Why a file is no usable picture.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its content is that of no format that is read.
    #[error("not a picture")]
    NotAPicture,
    /// It has no bytes.
    #[error("empty file")]
    Empty,
    /// A pipe, socket or device.
    #[error("not a regular file")]
    NotAFile,
    /// Its end is missing.
    #[error("cut short")]
    CutShort,
    /// The decoder's complaint.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It takes more memory than the size asked for justifies.
    #[error("too large: {0}")]
    TooLarge(String),
    /// The file system says no.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// It lies beside the class folders.
    #[error("in no class folder")]
    NoClass,
    /// It lies beside shards, which are read in its place.
    #[error("beside shards")]
    BesideShards,
    /// Of a held-out part beside another one, which is read in its place.
    #[error("of a part that is not read")]
    UnreadPart,
    /// Held out, of a class that has no training pictures.
    #[error("of a class without training pictures")]
    Untrained,
    /// A shard names no class for it.
    #[error("without a label")]
    NoLabel,
}

impl Why {
    /// The reason without a decoder's words, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotAPicture => "not a picture",
            Self::Empty => "empty file",
            Self::NotAFile => "not a regular file",
            Self::CutShort => "cut short",
            Self::Damaged(_) => "damaged",
            Self::TooLarge(_) => "too large",
            Self::Unreadable(_) => "unreadable",
            Self::NoClass => "in no class folder",
            Self::BesideShards => "beside shards",
            Self::UnreadPart => "of a part that is not read",
            Self::Untrained => "of a class without training pictures",
            Self::NoLabel => "without a label",
        }
    }
}

/// Whether these first bytes of a file are those of a picture format that is read.
pub(crate) fn is_picture(start: &[u8]) -> bool {
    image::guess_format(start).is_ok_and(|format| format.reading_enabled())
}

/// The picture as a viewer shows it: format by content, turned as its EXIF orientation says, transparency over white.
///
/// `side` is the size in pixels that is wanted in the end; it bounds the memory that a picture may take.
///
/// # Errors
///
/// Why it cannot be used.
pub fn decode(bytes: &[u8], side: u32) -> Result<RgbImage, Why> {
    if bytes.is_empty() {
        return Err(Why::Empty);
    }
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| Why::Unreadable(error.to_string()))?;
    let format = reader.format().filter(ImageFormat::reading_enabled);
    let format = format.ok_or(Why::NotAPicture)?;
    if format == ImageFormat::Jpeg && !jpeg::reaches_its_end(bytes) {
        return Err(Why::CutShort);
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(LEAST_BYTES + PIXELS_PER_PIXEL * 3 * u64::from(side) * u64::from(side));
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(why)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) / LONGEST > width.min(height) {
        let got = format!("{width}×{height} pixels, one side more than {LONGEST} times the other");
        return Err(Why::TooLarge(got));
    }
    limits.reserve(decoder.total_bytes()).map_err(why)?;
    decoder.set_limits(limits).map_err(why)?;
    let orientation = decoder.orientation().map_err(why)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(why)?;
    picture.apply_orientation(orientation);
    Ok(over_white(picture))
}

fn why(error: image::ImageError) -> Why {
    match error {
        image::ImageError::Limits(limit) => Why::TooLarge(limit.to_string()),
        image::ImageError::Unsupported(_) => Why::Damaged(error.to_string()),
        image::ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            Why::CutShort
        }
        error => Why::Damaged(error.to_string()),
    }
}

fn over_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0.map(u32::from);
        Rgb([red, green, blue]
            .map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::png::PngEncoder;
    use image::{Rgba, RgbaImage};

    fn png(picture: &RgbaImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture
            .write_with_encoder(PngEncoder::new(&mut bytes))
            .unwrap();
        bytes
    }

    #[test]
    fn transparency_is_over_white() {
        let picture = RgbaImage::from_fn(3, 1, |x, _| Rgba([255, 0, 0, [0, 51, 255][x as usize]]));
        let got = decode(&png(&picture), 8).unwrap();
        assert_eq!(got.into_raw(), [255, 255, 255, 255, 204, 204, 255, 0, 0]);
    }

    #[test]
    fn what_is_no_picture_says_why() {
        let whole = png(&RgbaImage::new(40, 40));
        assert_eq!(decode(b"", 8), Err(Why::Empty));
        assert_eq!(decode(b"<html>", 8), Err(Why::NotAPicture));
        assert!(decode(&whole[..whole.len() / 2], 8).is_err());
        let mut torn = whole;
        torn[30] ^= 0xff;
        assert!(matches!(decode(&torn, 8), Err(Why::Damaged(_))));
    }

    #[test]
    fn the_size_that_is_asked_for_bounds_the_memory() {
        // A header that claims 60,000 × 60,000 pixels.
        let side = 60_000u32.to_be_bytes();
        let header = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
        let signature = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10];
        let bomb = [
            signature,
            chunk(b"IHDR", &header),
            chunk(b"IDAT", &[0x78, 1, 0, 0, 0]),
            chunk(b"IEND", &[]),
        ]
        .concat();
        assert!(matches!(decode(&bomb, 32), Err(Why::TooLarge(_))));
    }

    #[test]
    fn a_picture_that_is_all_length_is_refused() {
        assert!(decode(&png(&RgbaImage::new(2, 512)), 8).is_ok());
        for (width, height) in [(1, 600), (1025, 2)] {
            let got = decode(&png(&RgbaImage::new(width, height)), 8);
            assert!(matches!(got, Err(Why::TooLarge(_))), "{got:?}");
        }
    }

    /// A chunk of a PNG file.
    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_be_bytes();
        let named = [&name[..], content].concat();
        [&length[..], &named, &crc(&named).to_be_bytes()].concat()
    }

    /// The check value of a PNG chunk (ISO 3309).
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        })
    }
}
