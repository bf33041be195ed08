//! Fashion-MNIST's files.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use support::data::{DatasetName, OnBadPicture, Source};

use crate::scratch::{Scratch, split};

/// Reads images and labels, which are gzipped first unless they are already.
pub fn idx(data: &[u8]) {
    let (images, labels) = split(data);
    let (images, labels) = (gzipped(images), gzipped(labels));
    let scratch = Scratch::new();
    for part in ["train", "t10k"] {
        scratch.write(format!("{part}-images-idx3-ubyte.gz"), &images);
        scratch.write(format!("{part}-labels-idx1-ubyte.gz"), &labels);
    }
    let source = Source {
        dataset: DatasetName::Fashion,
        data: Some(scratch.path().to_owned()),
        on_bad_picture: OnBadPicture::Stop,
    };
    if let Ok(split) = source.load() {
        assert!(split.train.len() > 0 && split.train.size.iter().all(|side| *side > 0));
        assert!(!split.classes.is_empty() && !split.digest().is_empty());
        let first = split.truncated(1, 1);
        assert_eq!((first.train.len(), first.test.len()), (1, 1));
    }
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    if content.starts_with(&[0x1f, 0x8b]) {
        return content.to_vec();
    }
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(content).expect("memory");
    file.finish().expect("memory")
}
