//! Batches, an epoch at a time.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use crate::train::batch::Batch;
use crate::train::picture_batcher::PictureBatcher;

/// The first `len` pictures of `batcher`, `batch` at a time; if `shuffle` seeds it, every epoch has an order
/// of its own.
pub fn loader(
    batcher: PictureBatcher,
    len: usize,
    batch: usize,
    shuffle: Option<u64>,
    device: &Device,
) -> Arc<dyn DataLoader<Batch>> {
    let builder = DataLoaderBuilder::new(batcher)
        .batch_size(batch)
        .set_device(device.clone());
    match shuffle {
        Some(seed) => builder.shuffle(seed).build(Indices(len)),
        None => builder.build(Indices(len)),
    }
}

/// The indices `0..len`: the batcher holds the pictures.
struct Indices(usize);

impl Dataset<usize> for Indices {
    fn get(&self, index: usize) -> Result<usize, DatasetError> {
        Ok(index)
    }

    fn len(&self) -> usize {
        self.0
    }
}
