//! Decoded pictures in memory.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

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
    /// From `pixels` of pictures without labels.
    pub fn unlabelled(pixels: Vec<u8>, channels: usize, size: [usize; 2]) -> Self {
        let count = pixels.len() / (channels * size[0] * size[1]);
        Self {
            pixels,
            labels: vec![0; count],
            channels,
            size,
        }
    }

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
    pub(crate) fn shuffled(self) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(0));
        self.pick(order.into_iter())
    }

    /// Some of the pictures, in the order of `indices`.
    pub(crate) fn pick(&self, indices: impl Iterator<Item = usize>) -> Self {
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
