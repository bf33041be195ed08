//! From pictures to batches.

use std::sync::Arc;

use burn::tensor::Device;
use burn_patch::embed::{AnyPatchEmbed, PatchEmbed};
use burn_vit::Vit;
use rand::RngExt;

use crate::data::Pictures;
use crate::draws::Draws;
use crate::error::Error;
use crate::train::batch::Batch;
use crate::train::host_batch::HostBatch;

/// Values of noise that training needs per picture of `size`: for the masks of an MAE, and for what in the ViT draws.
///
/// # Errors
///
/// If the model refuses the size.
pub fn noise_per_picture(vit: &Vit<AnyPatchEmbed>, size: [usize; 2]) -> Result<usize, Error> {
    let patches = vit.patch_embed.layout(size)?.tokens();
    Ok(patches.max(vit.noise(1, size)?))
}

/// Flips and masks with seeded generators on the host, so that every backend sees the same.
pub struct PictureBatcher {
    pictures: Arc<Pictures>,
    /// Noise values per picture.
    noise: usize,
    flip: bool,
    draws: Draws,
}

impl PictureBatcher {
    /// Draws `noise` values per picture, as [`noise_per_picture`] says or 0 where nothing draws; with `flip` it
    /// mirrors each picture with even odds.
    pub fn new(pictures: Arc<Pictures>, noise: usize, flip: bool, draws: Draws) -> Self {
        Self {
            pictures,
            noise,
            flip,
            draws,
        }
    }

    /// Whether pictures have to be decoded, so that other threads should do it.
    pub(crate) fn decodes(&self) -> bool {
        self.pictures.are_in_files()
    }

    /// The pictures at `indices`, as they are drawn in `epoch`.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] if a file cannot be read any more.
    pub fn collect(
        &self,
        indices: &[usize],
        epoch: usize,
        device: &Device,
    ) -> Result<Batch, Error> {
        Ok(self.prepare(indices, epoch)?.on(device))
    }

    /// As [`collect`](Self::collect), but for the device.
    pub(crate) fn prepare(&self, indices: &[usize], epoch: usize) -> Result<HostBatch, Error> {
        let [height, width] = self.pictures.size;
        let (channels, batch) = (self.pictures.channels, indices.len());
        let mut values = Vec::with_capacity(batch * self.pictures.values());
        let mut noise = Vec::with_capacity(batch * self.noise);
        let mut labels = Vec::with_capacity(batch);
        for index in indices {
            let mut rng = self.draws.picture(epoch, *index);
            let flip = self.flip && rng.random::<bool>();
            for line in self.pictures.read(*index)?.chunks(width) {
                let line = line.iter().map(|value| f32::from(*value) / 127.5 - 1.0);
                match flip {
                    true => values.extend(line.rev()),
                    false => values.extend(line),
                }
            }
            noise.extend((0..self.noise).map(|_| rng.random::<f32>()));
            labels.push(self.pictures.label(*index) as i32);
        }
        Ok(HostBatch {
            values,
            shape: [batch, channels, height, width],
            labels,
            noise,
        })
    }
}
