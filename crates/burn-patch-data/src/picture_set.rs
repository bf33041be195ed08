//! A part of a set: for training, or held out.

use image::RgbImage;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::decode::decode;
use crate::entry::Entry;
use crate::error::Error;

/// Pictures with their classes, decoded when they are asked for.
#[derive(Debug, Clone, Default)]
pub struct PictureSet {
    pub(crate) entries: Vec<Entry>,
}

impl PictureSet {
    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The class of a picture: its index among the names.
    ///
    /// # Panics
    ///
    /// If there is no such picture.
    pub fn label(&self, index: usize) -> u32 {
        self.entries[index].label
    }

    /// What messages call a picture: its file.
    ///
    /// # Panics
    ///
    /// If there is no such picture.
    pub fn name(&self, index: usize) -> String {
        self.entries[index].place.name()
    }

    /// A picture, [decoded](decode) for a size of `side` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] with the reason.
    ///
    /// # Panics
    ///
    /// If there is no such picture.
    pub fn picture(&self, index: usize, side: u32) -> Result<RgbImage, Error> {
        let place = &self.entries[index].place;
        place
            .read()
            .and_then(|bytes| decode(&bytes, side))
            .map_err(|why| Error::Picture {
                picture: place.name(),
                why,
            })
    }

    /// In another order, the same one for the same seed.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.entries.shuffle(&mut StdRng::seed_from_u64(seed));
        self
    }

    /// Some of the pictures, in the order of `indices`.
    ///
    /// # Panics
    ///
    /// If there is no such picture.
    #[must_use]
    pub fn pick(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let entries = indices.into_iter();
        Self {
            entries: entries.map(|index| self.entries[index].clone()).collect(),
        }
    }

    /// The first pictures, and the last `count`.
    pub(crate) fn split_last(mut self, count: usize) -> (Self, Self) {
        let last = self.entries.split_off(self.len() - count);
        (self, Self { entries: last })
    }
}
