//! How often a classifier is right.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Vit;

use crate::data::Pictures;
use crate::draws::Draws;
use crate::error::Error;
use crate::stop;
use crate::train::epoch_loader::EpochLoader;
use crate::train::picture_batcher::PictureBatcher;

/// Pictures per step where no gradient is kept.
pub const TEST_BATCH: usize = 250;

/// Share of the pictures that the model names rightly.
///
/// # Errors
///
/// [`Error::Training`] if a picture cannot be read any more, [`Error::Stopped`] if the program was asked to stop.
pub fn accuracy(
    vit: &Vit<AnyPatchEmbed>,
    pictures: &Arc<Pictures>,
    device: &Device,
) -> Result<f64, Error> {
    let batcher = PictureBatcher::new(pictures.clone(), 0, false, Draws::new(0, 0));
    let loader = EpochLoader::new(batcher, pictures.len(), TEST_BATCH, device);
    let mut right = 0;
    for batch in loader.iter() {
        stop::check()?;
        let batch = batch.map_err(|error| Error::Training(error.to_string()))?;
        let named = vit.forward(batch.images).argmax(1).squeeze_dim(1);
        right += named.equal(batch.labels).int().sum().into_scalar::<i64>();
    }
    Ok(right as f64 / pictures.len() as f64)
}
