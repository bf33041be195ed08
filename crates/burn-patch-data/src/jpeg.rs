//! Whether a JPEG is whole.

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// Whether a JPEG reaches its end marker. Decoders fill what is missing with grey and say nothing.
///
/// The segments are walked by their lengths (ITU-T T.81, B.1), since a preview inside one has an end marker of its own.
pub(crate) fn reaches_its_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            END_OF_IMAGE => return true,
            // Restart markers and the like stand alone.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let Some(length) = bytes.get(at..at + 2) else {
                    return false;
                };
                at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                if marker == START_OF_SCAN {
                    skip_scan(bytes, &mut at);
                }
            }
        }
    }
    false
}

/// The marker at `at`, behind which `at` then lies; bytes that belong to no segment are passed over.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        while *bytes.get(*at)? != 0xff {
            *at += 1;
        }
        while *bytes.get(*at)? == 0xff {
            *at += 1;
        }
        let marker = bytes[*at];
        *at += 1;
        if marker != 0 {
            return Some(marker);
        }
    }
}

/// To the first marker behind the entropy-coded data: there 0xff is followed by 0 or a restart marker.
fn skip_scan(bytes: &[u8], at: &mut usize) {
    while let Some(pair) = bytes.get(*at..*at + 2) {
        if pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff) {
            return;
        }
        *at += 1;
    }
    *at = bytes.len();
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;

    fn jpeg() -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture =
            image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8, 7]));
        picture
            .write_with_encoder(JpegEncoder::new(&mut bytes))
            .unwrap();
        bytes
    }

    #[test]
    fn whole_files_do_and_every_shorter_one_does_not() {
        let bytes = jpeg();
        assert!(reaches_its_end(&bytes));
        for end in 0..bytes.len() - 1 {
            assert!(!reaches_its_end(&bytes[..end]), "{end}");
        }
    }

    #[test]
    fn a_preview_inside_a_segment_does_not_count_and_bytes_behind_the_end_do_no_harm() {
        let whole = jpeg();
        let mut preview = vec![0xff, 0xe1];
        preview.extend_from_slice(&(whole.len() as u16 + 2).to_be_bytes());
        preview.extend_from_slice(&whole);
        let with = [&whole[..2], &preview, &whole[2..]].concat();
        assert!(reaches_its_end(&[&with[..], &[0; 9]].concat()));
        assert!(!reaches_its_end(&with[..with.len() - 9]));
    }
}
