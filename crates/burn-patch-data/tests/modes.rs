//! Pictures of inks, palettes, single bits, 16 bits and transparency become the RGB that Pillow makes of them.

use std::fs;
use std::path::Path;

use burn_patch_data::decode;

/// Levels of 255 that two decoders may differ by in a pixel. JPEGs are of quality 100: at 90, those of inks and those of
/// RGB alike were seen two levels apart, three with a quarter of the colours, since each decoder rounds its transform.
const LEVEL: u8 = 1;

/// `tests/pictures/modes.py` made each file and, beside it, what it should be read as.
#[test]
fn every_mode_is_read_as_pillow_reads_it_over_white() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/modes");
    let mut read = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".expected.png") {
            continue;
        }
        let expected = image::open(path.with_file_name(format!("{name}.expected.png"))).unwrap();
        match decode(&fs::read(&path).unwrap(), 32) {
            Ok(got) => {
                let values = got.as_raw().iter().zip(expected.as_bytes());
                let apart = values.map(|(a, b)| a.abs_diff(*b)).max();
                if got.as_raw().len() != expected.as_bytes().len() || apart > Some(LEVEL) {
                    wrong.push(format!("{name}: {apart:?} levels apart"));
                }
            }
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
        read += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(read, 25);
}
