//! How often a classifier is right.

use std::sync::Arc;

use burn::tensor::Device;
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Vit;

use crate::data::Pictures;
use crate::draws::Draws;
use crate::train::picture_batcher::PictureBatcher;

/// Pictures per step where no gradient is kept.
pub const TEST_BATCH: usize = 250;

/// Share of the pictures that the model names rightly.
pub fn accuracy(vit: &Vit<AnyPatchEmbed>, pictures: &Arc<Pictures>, device: &Device) -> f64 {
    let batcher = PictureBatcher::new(pictures.clone(), 0, false, Draws::new(0, 0));
    let all: Vec<usize> = (0..pictures.len()).collect();
    let right: i64 = all
        .chunks(TEST_BATCH)
        .map(|indices| {
            let batch = batcher.collect(indices, 0, device);
            let named = vit.forward(batch.images).argmax(1).squeeze_dim(1);
            named.equal(batch.labels).int().sum().into_scalar::<i64>()
        })
        .sum();
    right as f64 / all.len() as f64
}
