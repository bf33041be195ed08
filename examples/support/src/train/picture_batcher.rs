//! From pictures in memory to batches on the device.

use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::batcher::Batcher;
use burn::tensor::{Device, Tensor, TensorData};
use burn_patch::uniform_noise;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::data::Pictures;
use crate::train::batch::Batch;

/// Flips and masks with a seeded generator on the host, so that every backend sees the same.
pub struct PictureBatcher {
    pictures: Arc<Pictures>,
    /// Noise values per picture.
    patches: usize,
    flip: bool,
    rng: Mutex<StdRng>,
}

impl PictureBatcher {
    /// Draws `patches` values of masking noise per picture, 0 where nothing is masked; with `flip` it
    /// mirrors each picture with even odds.
    pub fn new(pictures: Arc<Pictures>, patches: usize, flip: bool, seed: u64) -> Self {
        Self {
            pictures,
            patches,
            flip,
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// The pictures at `indices`.
    pub fn collect(&self, indices: &[usize], device: &Device) -> Batch {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let [height, width] = self.pictures.size;
        let (channels, batch) = (self.pictures.channels, indices.len());
        let mut values = Vec::with_capacity(batch * self.pictures.values());
        for index in indices {
            let flip = self.flip && rng.random::<bool>();
            for line in self.pictures.get(*index).chunks(width) {
                let line = line.iter().map(|value| f32::from(*value) / 127.5 - 1.0);
                match flip {
                    true => values.extend(line.rev()),
                    false => values.extend(line),
                }
            }
        }
        let labels: Vec<i32> = indices
            .iter()
            .map(|index| i32::from(self.pictures.labels[*index]))
            .collect();
        Batch {
            images: Tensor::from_data(
                TensorData::new(values, [batch, channels, height, width]),
                device,
            ),
            labels: Tensor::from_data(TensorData::new(labels, [batch]), device),
            noise: uniform_noise(batch, self.patches, &mut *rng),
        }
    }
}

impl Batcher<usize, Batch> for PictureBatcher {
    fn batch(&self, items: Vec<usize>, device: &Device) -> Batch {
        self.collect(&items, device)
    }
}
