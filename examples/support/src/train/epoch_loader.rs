//! Batches, an epoch at a time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use rand::seq::SliceRandom;

use crate::draws::Draws;
use crate::train::batch::Batch;
use crate::train::monitor::Monitor;
use crate::train::picture_batcher::PictureBatcher;

/// The first `len` pictures of a batcher, `batch` at a time. Order, flips, masks and what the device draws depend on
/// seed, phase and epoch alone, where burn's own loader goes on from the epoch before.
#[derive(Clone)]
pub struct EpochLoader {
    batcher: Arc<PictureBatcher>,
    len: usize,
    part: Range<usize>,
    batch: usize,
    device: Device,
    training: Option<Training>,
}

/// What a loader of training pictures has besides.
#[derive(Clone)]
struct Training {
    draws: Draws,
    monitor: Option<Arc<Monitor>>,
    /// Behind it already.
    done: usize,
    begun: Arc<AtomicUsize>,
}

impl EpochLoader {
    /// The pictures in order, the same in every epoch.
    pub fn new(batcher: PictureBatcher, len: usize, batch: usize, device: &Device) -> Self {
        Self {
            batcher: Arc::new(batcher),
            len,
            part: 0..len,
            batch,
            device: device.clone(),
            training: None,
        }
    }

    /// In an order of its own in every epoch, the first of which is `done` + 1; each seeds the device.
    #[must_use]
    pub fn shuffled(mut self, draws: Draws, done: usize) -> Self {
        self.training = Some(Training {
            draws,
            monitor: None,
            done,
            begun: Arc::default(),
        });
        self
    }

    /// Tells `monitor` of each epoch's beginning.
    pub(crate) fn watched(mut self, monitor: Arc<Monitor>) -> Self {
        if let Some(training) = &mut self.training {
            training.monitor = Some(monitor);
        }
        self
    }

    /// The batches of an epoch.
    fn epoch(&self, epoch: usize) -> EpochBatches<'_> {
        let mut order: Vec<usize> = (0..self.len).collect();
        if let Some(training) = &self.training {
            order.shuffle(&mut training.draws.order(epoch));
        }
        EpochBatches {
            loader: self,
            epoch,
            order: order[self.part.clone()].to_vec(),
            next: 0,
        }
    }

    fn with(&self, part: Range<usize>, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        let training = self.training.as_ref().map(|training| Training {
            begun: Arc::default(),
            done: training.done + training.begun.load(Ordering::SeqCst),
            ..training.clone()
        });
        Arc::new(Self {
            part,
            device: device.clone(),
            training,
            ..self.clone()
        })
    }
}

impl DataLoader<Batch> for EpochLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        let epoch = match &self.training {
            Some(training) => {
                let epoch = training.done + training.begun.fetch_add(1, Ordering::SeqCst) + 1;
                // Slices on devices of their own draw apart.
                let seed = training.draws.device(epoch);
                self.device.seed(seed.wrapping_add(self.part.start as u64));
                if let Some(monitor) = &training.monitor {
                    monitor.begin(epoch);
                }
                epoch
            }
            None => 0,
        };
        Box::new(self.epoch(epoch))
    }

    fn num_items(&self) -> usize {
        self.part.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        self.with(self.part.clone(), device)
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let first = self.part.start;
        let part = first + start..(first + end).min(self.part.end);
        self.with(part, &self.device)
    }
}

struct EpochBatches<'a> {
    loader: &'a EpochLoader,
    epoch: usize,
    order: Vec<usize>,
    next: usize,
}

impl Iterator for EpochBatches<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.order[self.next..];
        let indices = &rest[..self.loader.batch.min(rest.len())];
        if indices.is_empty() {
            return None;
        }
        self.next += indices.len();
        let batcher = &self.loader.batcher;
        Some(Ok(batcher.collect(
            indices,
            self.epoch,
            &self.loader.device,
        )))
    }
}

impl DataLoaderIterator<Batch> for EpochBatches<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.next, self.order.len(), Some("items".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Pictures;

    const COUNT: usize = 10;

    fn loader(done: usize) -> EpochLoader {
        let pixels = (0..COUNT as u8).flat_map(|value| [value, 255 - value]);
        let pictures = Pictures::unlabelled(pixels.collect(), 1, [1, 2]);
        let batcher = PictureBatcher::new(Arc::new(pictures), 3, true, Draws::new(7, 1));
        EpochLoader::new(batcher, COUNT, 4, &Device::flex()).shuffled(Draws::new(7, 1), done)
    }

    /// Pixels and noise of the next epoch.
    fn next(loader: &dyn DataLoader<Batch>) -> (Vec<f32>, Vec<f32>) {
        let (mut pixels, mut noise) = (Vec::new(), Vec::new());
        for batch in loader.iter() {
            let batch = batch.unwrap();
            pixels.extend(batch.images.into_data().try_to_vec_as::<f32>().unwrap());
            noise.extend(batch.noise);
        }
        (pixels, noise)
    }

    #[test]
    fn an_epoch_is_the_same_whether_or_not_those_before_it_ran_in_this_process() {
        let whole = loader(0).to_device(&Device::flex());
        let (first, second) = (next(&*whole), next(&*whole));
        assert_ne!(first, second);
        assert_eq!(next(&loader(1)), second);
        assert_eq!(first.1.len(), 3 * COUNT);
    }

    #[test]
    fn slices_share_an_epoch_out_and_each_picture_draws_the_same() {
        let whole = next(&loader(0));
        let device = Device::flex();
        let [first, second] = [(0, 4), (4, 10)]
            .map(|(start, end)| next(&*loader(0).slice(start, end).to_device(&device)));
        assert_eq!([first.0, second.0].concat(), whole.0);
        assert_eq!([first.1, second.1].concat(), whole.1);
    }
}
