//! Pictures in memory, from any of the sources.

mod bundled;
mod folder;
mod idx;

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::cli::{Args, DatasetName};
use crate::error::Error;

/// Side to which pictures of a folder are resized, in pixels.
const FOLDER_SIDE: u32 = 32;

/// Decoded pictures, `u8` in `[channels, height, width]` order, one after another.
#[derive(Debug, Clone)]
pub(crate) struct Pictures {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
}

impl Pictures {
    /// Values of one picture.
    pub(crate) fn values(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// One picture.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.values()..][..self.values()]
    }

    /// In another order, the same every time.
    fn shuffled(self) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(0));
        self.pick(order.into_iter())
    }

    /// Some of the pictures, in the order of `indices`.
    fn pick(&self, indices: impl Iterator<Item = usize>) -> Self {
        let mut picked = Self {
            pixels: vec![],
            labels: vec![],
            ..*self
        };
        for index in indices {
            picked.pixels.extend_from_slice(self.get(index));
            picked.labels.push(self.labels[index]);
        }
        picked
    }
}

/// A training part and a held-out part.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    pub(crate) name: String,
    pub(crate) train: Pictures,
    pub(crate) test: Pictures,
    pub(crate) classes: usize,
}

impl Split {
    fn new(name: &str, train: Pictures, test: Pictures) -> Self {
        let labels = train.labels.iter().chain(&test.labels);
        let classes = labels.max().map_or(0, |label| usize::from(*label) + 1);
        Self {
            name: name.to_owned(),
            train,
            test,
            classes,
        }
    }

    /// Shuffles and holds a fifth out.
    fn shuffled(name: &str, all: Pictures) -> Self {
        let all = all.shuffled();
        let train = all.len() - all.len() / 5;
        Self::new(name, all.pick(0..train), all.pick(train..all.len()))
    }

    /// The first `train` and `test` pictures.
    fn truncated(self, train: usize, test: usize) -> Self {
        Self {
            train: self.train.pick(0..train.min(self.train.len())),
            test: self.test.pick(0..test.min(self.test.len())),
            ..self
        }
    }
}

/// Loads what the command line asks for.
pub(crate) fn load(args: &Args) -> Result<Split, Error> {
    let split = match (&args.data, args.dataset) {
        (Some(path), _) => from_folder(path)?,
        (None, DatasetName::Fashion) => bundled::fashion()?,
        (None, DatasetName::Emoji) => bundled::emoji()?,
    };
    Ok(if args.quick {
        split.truncated(1024, 512)
    } else {
        split
    })
}

fn from_folder(path: &Path) -> Result<Split, Error> {
    if !path.is_dir() {
        return Err(Error::DataMissing(path.to_owned()));
    }
    if path.join(idx::TRAIN.images).exists() {
        let train = idx::read(path, &idx::TRAIN)?;
        let test = idx::read(path, &idx::TEST)?;
        if train.size != test.size {
            let why = format!(
                "training pictures of {:?} px, test pictures of {:?} px",
                train.size, test.size
            );
            return Err(Error::DataFolder {
                path: path.to_owned(),
                why,
            });
        }
        return Ok(Split::new(&path.display().to_string(), train, test));
    }
    folder::read(path, FOLDER_SIDE)
}
