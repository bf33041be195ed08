//! Fashion-MNIST, and a training loop that fits on a page.

use std::sync::Arc;

use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_patch::ops::FusedAdamWConfig;
use burn_vit::ParamGroups;
use support::data::{DatasetName, OnBadPicture, Pictures, Source, Split};
use support::train::{Batch, PictureBatcher};
use support::{Draws, Error, stop};

use crate::training::Training;

const BATCH: usize = 64;
const RATE: f64 = 2e-3;

/// The bundled Fashion-MNIST: 8,000 pictures of 28×28 px to learn from, and some of those held out.
pub struct Fashion {
    /// The pictures.
    pub split: Split,
    device: Device,
    steps: usize,
}

impl Fashion {
    /// Loads the pictures and seeds the device.
    ///
    /// # Errors
    ///
    /// Those of [`Source::load`].
    pub fn load(training: &Training, device: &Device) -> Result<Self, Error> {
        device.seed(0);
        let source = Source {
            dataset: DatasetName::Fashion,
            data: None,
            on_bad_picture: OnBadPicture::Stop,
        };
        Ok(Self {
            split: source.load()?.truncated(8_000, training.pictures.into()),
            device: device.clone(),
            steps: training.steps,
        })
    }

    /// `model` after the steps asked for: AdamW with 64 pictures each, at a rate that falls to 0.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] where a signal asked the program to stop.
    pub fn train<M: Module>(
        &self,
        model: M,
        logits: impl Fn(&M, Tensor<4>) -> Tensor<2>,
    ) -> Result<M, Error> {
        let optimizer = FusedAdamWConfig::new().init();
        self.train_by(model, optimizer, ModuleLrSchedulerConfig::new, logits)
    }

    /// As [`train`](Self::train), with a decay and a rate for each group of parameters.
    ///
    /// # Errors
    ///
    /// As [`train`](Self::train).
    pub fn train_in_groups<M: Module>(
        &self,
        model: M,
        groups: &ParamGroups,
        logits: impl Fn(&M, Tensor<4>) -> Tensor<2>,
    ) -> Result<M, Error> {
        let adamw = FusedAdamWConfig::new();
        let optimizer = groups.optimizer(|decay| adamw.clone().with_weight_decay(decay).build());
        self.train_by(model, optimizer, |base| groups.rates(base), logits)
    }

    fn train_by<M: Module>(
        &self,
        model: M,
        mut optimizer: ModuleOptimizer,
        rates: impl Fn(LrSchedulerConfig) -> ModuleLrSchedulerConfig,
        logits: impl Fn(&M, Tensor<4>) -> Tensor<2>,
    ) -> Result<M, Error> {
        let device = self.device.clone().autodiff();
        let loss = CrossEntropyLossConfig::new().init(&device);
        let falling = LinearLrSchedulerConfig::new(RATE, 0.0, self.steps.max(1));
        let mut rates = rates(falling.into()).init().map_err(Error::Training)?;
        let mut model = model.train();
        for step in 0..self.steps {
            stop::check().map_err(|error| error.ended("nothing is kept"))?;
            let batch = batch(&self.split.train, step * BATCH, BATCH, &device);
            let loss = loss.forward(logits(&model, batch.images), batch.labels);
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(rates.step(), model, grads);
        }
        Ok(model.valid())
    }

    /// Share of the held-out pictures that `logits` names rightly.
    pub fn accuracy(&self, logits: impl Fn(Tensor<4>) -> Tensor<2>) -> f64 {
        let test = &self.split.test;
        let right = (0..test.len()).step_by(BATCH).map(|start| {
            let count = BATCH.min(test.len() - start);
            let batch = batch(test, start, count, &self.device);
            let named = logits(batch.images).argmax(1).squeeze_dim(1);
            named.equal(batch.labels).int().sum().into_scalar::<i64>()
        });
        right.sum::<i64>() as f64 / test.len() as f64
    }

    /// The first `count` held-out pictures, `[count, 1, 28, 28]`.
    pub fn held_out(&self, count: usize) -> Tensor<4> {
        batch(&self.split.test, 0, count, &self.device).images
    }
}

/// `count` pictures from `start`, beginning anew where they end.
fn batch(pictures: &Arc<Pictures>, start: usize, count: usize, device: &Device) -> Batch {
    let batcher = PictureBatcher::new(pictures.clone(), 0, false, Draws::new(0, 0));
    let indices: Vec<usize> = (start..start + count)
        .map(|index| index % pictures.len())
        .collect();
    let batch = batcher.collect(&indices, 0, device);
    batch.expect("bundled pictures are in memory")
}
