//! Pictures in memory, from any of the sources.

mod bundled;
mod folder;
mod idx;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::error::Error;

/// Side to which pictures of a folder are resized, in pixels.
const FOLDER_SIDE: u32 = 32;

/// Which pictures, on the command line.
#[derive(clap::Args, Debug, Clone)]
#[command(about = None, long_about = None)] // or it would replace that of the program
pub struct Source {
    /// Bundled pictures: Fashion-MNIST (28×28 grey, 10 classes) or emoji (32×32 RGB, 10 categories)
    #[arg(long, value_enum, default_value_t = DatasetName::Fashion)]
    pub(crate) dataset: DatasetName,

    /// Your own pictures instead: a folder with the four Fashion-MNIST idx.gz files, or a folder with one
    /// folder of pictures (png, jpeg) per class, optionally under train/ and test/
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Bundled data.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatasetName {
    /// Fashion-MNIST
    Fashion,
    /// Noto emoji
    Emoji,
}

impl Source {
    /// Loads them.
    ///
    /// # Errors
    ///
    /// If files are missing or broken.
    pub fn load(&self) -> Result<Split, Error> {
        match (&self.data, self.dataset) {
            (Some(path), _) => from_folder(path),
            (None, DatasetName::Fashion) => bundled::fashion(),
            (None, DatasetName::Emoji) => bundled::emoji(),
        }
    }
}

/// Decoded pictures, `u8` in `[channels, height, width]` order, one after another.
#[derive(Debug, Clone)]
pub struct Pictures {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
    /// Values per pixel.
    pub channels: usize,
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
}

impl Pictures {
    /// Values of one picture.
    pub(crate) fn values(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// How many.
    #[allow(clippy::len_without_is_empty)] // no source gives none
    pub fn len(&self) -> usize {
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
pub struct Split {
    /// What reports call it.
    pub name: String,
    /// To learn from.
    pub train: Arc<Pictures>,
    /// Held out.
    pub test: Arc<Pictures>,
    /// How many there are to tell apart.
    pub classes: usize,
}

impl Split {
    fn new(name: &str, train: Pictures, test: Pictures) -> Self {
        let labels = train.labels.iter().chain(&test.labels);
        let classes = labels.max().map_or(0, |label| usize::from(*label) + 1);
        Self {
            name: name.to_owned(),
            train: Arc::new(train),
            test: Arc::new(test),
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
    #[must_use]
    pub fn truncated(self, train: usize, test: usize) -> Self {
        let first = |pictures: &Pictures, count: usize| {
            Arc::new(pictures.pick(0..count.min(pictures.len())))
        };
        Self {
            train: first(&self.train, train),
            test: first(&self.test, test),
            ..self
        }
    }
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
