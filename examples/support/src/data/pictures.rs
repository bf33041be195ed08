//! Pictures of one size.

use std::borrow::Cow;

use burn_patch_data::PictureSet;
use image::imageops::{FilterType, resize};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::data::decode::planes;
use crate::data::pixels::Pixels;
use crate::error::Error;
use crate::run::digest;

/// Pictures, `u8` in `[channels, height, width]` order: in memory, or in files from which they are decoded again
/// whenever they are asked for.
#[derive(Debug, Clone)]
pub struct Pictures {
    pixels: Pixels,
    /// Values per pixel.
    pub channels: usize,
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
}

impl Pictures {
    /// From `values` of pictures without labels.
    pub fn unlabelled(values: Vec<u8>, channels: usize, size: [usize; 2]) -> Self {
        let count = values.len() / (channels * size[0] * size[1]);
        Self::in_memory(values, vec![0; count], channels, size)
    }

    /// From `values` of pictures, one after another, with a label for each.
    pub(crate) fn in_memory(
        values: Vec<u8>,
        labels: Vec<u8>,
        channels: usize,
        size: [usize; 2],
    ) -> Self {
        Self {
            pixels: Pixels::Memory { values, labels },
            channels,
            size,
        }
    }

    /// Those of a set, resized to `side × side` RGB; `digest` is the checksum of what was found with it.
    pub(crate) fn in_files(set: PictureSet, digest: String, side: u32) -> Self {
        Self {
            pixels: Pixels::Files { set, digest },
            channels: 3,
            size: [side as usize; 2],
        }
    }

    /// Whether each has to be decoded before it is used.
    pub(crate) fn are_in_files(&self) -> bool {
        matches!(self.pixels, Pixels::Files { .. })
    }

    /// Values of one picture.
    pub(crate) fn values(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// How many.
    #[allow(clippy::len_without_is_empty)] // no source gives none
    pub fn len(&self) -> usize {
        match &self.pixels {
            Pixels::Memory { labels, .. } => labels.len(),
            Pixels::Files { set, .. } => set.len(),
        }
    }

    /// The class of one picture.
    pub(crate) fn label(&self, index: usize) -> u32 {
        match &self.pixels {
            Pixels::Memory { labels, .. } => labels[index].into(),
            Pixels::Files { set, .. } => set.label(index),
        }
    }

    /// One picture.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] if its file cannot be read any more.
    pub(crate) fn read(&self, index: usize) -> Result<Cow<'_, [u8]>, Error> {
        match &self.pixels {
            Pixels::Memory { values, .. } => {
                let length = self.values();
                Ok(values[index * length..][..length].into())
            }
            Pixels::Files { set, .. } => {
                let [height, width] = self.size.map(|side| side as u32);
                let picture = set.picture(index, height.max(width));
                let picture = picture.map_err(Error::Picture)?;
                let resized = resize(&picture, width, height, FilterType::CatmullRom);
                Ok(planes(&resized).into())
            }
        }
    }

    /// Checksum of all pixels and labels, or of the files and how many of them are here.
    pub(super) fn digest(&self) -> String {
        match &self.pixels {
            Pixels::Memory { values, labels } => format!("{} {}", digest(values), digest(labels)),
            Pixels::Files { set, digest } => format!("{} of {digest}", set.len()),
        }
    }

    /// In another order, the same every time.
    pub(crate) fn shuffled(self) -> Self {
        match self.pixels {
            Pixels::Memory { .. } => {
                let mut order: Vec<usize> = (0..self.len()).collect();
                order.shuffle(&mut StdRng::seed_from_u64(0));
                self.pick(order)
            }
            Pixels::Files { set, digest } => Self {
                pixels: Pixels::Files {
                    set: set.shuffled(0),
                    digest,
                },
                ..self
            },
        }
    }

    /// The first `count`.
    pub(crate) fn truncated(&self, count: usize) -> Self {
        self.pick(0..count.min(self.len()))
    }

    /// Some of the pictures, in the order of `indices`.
    pub(crate) fn pick(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let pixels = match &self.pixels {
            Pixels::Memory { values, labels } => {
                let length = self.values();
                let (mut picked, mut picked_labels) = (Vec::new(), Vec::new());
                for index in indices {
                    picked.extend_from_slice(&values[index * length..][..length]);
                    picked_labels.push(labels[index]);
                }
                Pixels::Memory {
                    values: picked,
                    labels: picked_labels,
                }
            }
            Pixels::Files { set, digest } => Pixels::Files {
                set: set.pick(indices),
                digest: digest.clone(),
            },
        };
        Self { pixels, ..*self }
    }
}
