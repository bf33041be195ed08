//! A part of a set: for training, or held out.

use image::RgbImage;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::decode::{Why, decode};
use crate::entry::Entry;
use crate::error::Error;
use crate::left_out::LeftOut;

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

    /// The first pictures, and the last `count`.
    pub(crate) fn split_last(mut self, count: usize) -> (Self, Self) {
        let last = self.entries.split_off(self.len() - count);
        (self, Self { entries: last })
    }

    /// Why each picture that cannot be used cannot, decoding all of them once on every core.
    pub(crate) fn faults(&self, side: u32) -> Vec<(usize, Why)> {
        let fault = |(index, entry): (usize, &Entry)| {
            let picture = entry.place.read().and_then(|bytes| decode(&bytes, side));
            picture.err().map(|why| (index, why))
        };
        self.entries
            .par_iter()
            .enumerate()
            .filter_map(fault)
            .collect()
    }

    /// Without those of `faults`, in ascending order.
    pub(crate) fn without(&mut self, faults: &[(usize, Why)]) -> LeftOut {
        let mut left_out = LeftOut::default();
        for (index, why) in faults.iter().rev() {
            let entry = self.entries.remove(*index);
            left_out.add(|| entry.place.name(), why);
        }
        left_out
    }
}
