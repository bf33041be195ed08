//! Parquet files in the form of the Hugging Face Hub.

#![cfg(feature = "parquet")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use burn_patch_data::{OnBad, open};
use image::{ImageFormat, RgbImage};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const SCHEMA: &str = "message schema {
    OPTIONAL group image { OPTIONAL BINARY bytes; OPTIONAL BINARY path (UTF8); }
    OPTIONAL INT64 label;
}";

const INFO: &str =
    r#"{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}"#;

fn png(grey: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(4, 4, image::Rgb([grey; 3]))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// A picture of each grey, its label by turns.
fn write(path: &Path, greys: &[u8]) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let info = KeyValue::new("huggingface".to_owned(), INFO.to_owned());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![info]));
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let count = greys.len();
    let pictures: Vec<ByteArray> = greys.iter().map(|grey| png(*grey).into()).collect();
    let names = vec![ByteArray::from("name.png"); count];
    for values in [&pictures, &names] {
        let mut column = group.next_column().unwrap().unwrap();
        let typed = column.typed::<ByteArrayType>();
        typed
            .write_batch(values, Some(&vec![2; count]), None)
            .unwrap();
        column.close().unwrap();
    }
    let labels: Vec<i64> = (0..count as i64).map(|index| index % 2).collect();
    let mut column = group.next_column().unwrap().unwrap();
    let typed = column.typed::<Int64Type>();
    typed
        .write_batch(&labels, Some(&vec![1; count]), None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn pictures_labels_and_names_are_read_and_the_copy_goes_with_the_set() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join("train-00000-of-00001.parquet"),
        &[10, 20, 30],
    );
    write(&folder.path().join("test-00000-of-00001.parquet"), &[40]);
    let sets = open(folder.path())
        .unwrap()
        .checked(8, OnBad::Stop)
        .unwrap();
    assert_eq!(sets.classes, ["cat", "dog"]);
    assert_eq!(
        (sets.train.len(), sets.test.as_ref().unwrap().len()),
        (3, 1)
    );
    let picture = sets.train.picture(2, 8).unwrap();
    assert_eq!(
        (picture.get_pixel(0, 0).0, sets.train.label(1)),
        ([30; 3], 1)
    );
    let copy = sets.train.name(0);
    let copy = copy.split(" at byte ").next().unwrap().to_owned();
    assert!(Path::new(&copy).exists());
    drop(sets);
    assert!(!Path::new(&copy).exists());
}

/// The lowest bit of a number in the footer is its sign.
#[test]
fn a_footer_with_a_bit_flipped_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.parquet");
    write(&path, &[10, 20]);
    let whole = std::fs::read(&path).unwrap();
    let footer = whole.len()
        - 8
        - u32::from_le_bytes(*whole[..whole.len() - 4].last_chunk().unwrap()) as usize;
    for at in footer..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        if let Ok(sets) = open(&path) {
            assert!(sets.train.len() <= 2);
        }
    }
}
