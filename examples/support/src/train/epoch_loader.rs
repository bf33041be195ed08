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
                self.device.seed(training.draws.device(epoch));
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
