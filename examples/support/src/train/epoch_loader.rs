//! Batches, an epoch at a time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use rand::seq::SliceRandom;

use crate::draws::Draws;
use crate::error::Error;
use crate::train::ahead::Ahead;
use crate::train::batch::Batch;
use crate::train::host_batch::HostBatch;
use crate::train::monitor::Monitor;
use crate::train::picture_batcher::PictureBatcher;

/// The first `len` pictures of a batcher, `batch` at a time. Order, flips, masks and what the device draws depend on
/// seed, phase and epoch alone, where burn's own loader goes on from the epoch before. Pictures that are in files are
/// decoded by other threads, a few batches ahead of whoever takes them.
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
        order.truncate(self.part.end);
        order.drain(..self.part.start);
        EpochBatches::new(self, epoch, order)
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
    order: Arc<Vec<usize>>,
    next: usize,
    /// None where nothing has to be decoded.
    ahead: Option<Ahead<HostBatch>>,
}

impl<'a> EpochBatches<'a> {
    fn new(loader: &'a EpochLoader, epoch: usize, order: Vec<usize>) -> Self {
        let order = Arc::new(order);
        let ahead = loader.batcher.decodes().then(|| {
            let (batcher, order, batch) = (loader.batcher.clone(), order.clone(), loader.batch);
            Ahead::start(order.len().div_ceil(batch), move |index| {
                let end = order.len().min((index + 1) * batch);
                batcher.prepare(&order[index * batch..end], epoch)
            })
        });
        Self {
            loader,
            epoch,
            order,
            next: 0,
            ahead,
        }
    }

    fn prepare(&mut self, indices: Range<usize>) -> Result<Batch, Error> {
        let batch = match &mut self.ahead {
            Some(ahead) => ahead.take()?,
            None => self
                .loader
                .batcher
                .prepare(&self.order[indices], self.epoch)?,
        };
        Ok(batch.on(&self.loader.device))
    }
}

impl Iterator for EpochBatches<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.next;
        self.next = self.order.len().min(first + self.loader.batch);
        (first < self.next).then(|| self.prepare(first..self.next).map_err(DatasetError::new))
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
    use crate::data::{DatasetName, OnBadPicture, Pictures, Source};

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

    /// A folder with pictures of two classes, 32×32 px each, and the same pictures in memory.
    fn in_files() -> (tempfile::TempDir, Pictures, Pictures) {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..4 * COUNT {
            let class = folder.path().join(["cat", "dog"][index % 2]);
            std::fs::create_dir_all(&class).unwrap();
            let colour = |x: u32, y: u32| image::Rgb([x as u8 * 8, y as u8 * 8, index as u8]);
            let picture = image::RgbImage::from_fn(32, 32, colour);
            picture.save(class.join(format!("{index}.png"))).unwrap();
        }
        let source = Source {
            dataset: DatasetName::Fashion,
            data: Some(folder.path().to_owned()),
            on_bad_picture: OnBadPicture::Stop,
        };
        let files = Arc::unwrap_or_clone(source.load().unwrap().train);
        let values = (0..files.len()).flat_map(|index| files.read(index).unwrap().into_owned());
        let labels = (0..files.len()).map(|index| files.label(index) as u8);
        let memory = Pictures::in_memory(values.collect(), labels.collect(), 3, [32, 32]);
        (folder, files, memory)
    }

    fn loader_over(pictures: Pictures) -> EpochLoader {
        let (len, draws) = (pictures.len(), Draws::new(7, 1));
        let batcher = PictureBatcher::new(Arc::new(pictures), 3, true, draws);
        EpochLoader::new(batcher, len, 5, &Device::flex()).shuffled(draws, 0)
    }

    #[test]
    fn pictures_in_files_give_what_they_give_in_memory() {
        let (_folder, files, memory) = in_files();
        assert!(files.are_in_files() && !memory.are_in_files());
        let (files, memory) = (loader_over(files), loader_over(memory));
        for _ in 0..2 {
            assert_eq!(next(&files), next(&memory));
        }
        let device = Device::flex();
        let part = |loader: &EpochLoader| next(&*loader.slice(4, 17).to_device(&device));
        assert_eq!(part(&files), part(&memory));
    }

    #[test]
    fn a_picture_that_is_damaged_meanwhile_ends_the_epoch_by_name() {
        let (folder, files, _) = in_files();
        std::fs::write(folder.path().join("dog/1.png"), b"\x89PNG\r\n\x1a\nno more").unwrap();
        std::fs::write(
            folder.path().join("dog/39.png"),
            b"\x89PNG\r\n\x1a\nno more",
        )
        .unwrap();
        let loader = loader_over(files);
        let error = loader
            .iter()
            .find_map(Result::err)
            .expect("an error")
            .to_string();
        assert!(
            error.contains(".png: ") && error.contains("though it was whole"),
            "{error}"
        );
    }
}
