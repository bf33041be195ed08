//! One embedding: trained, tested and timed.

use std::time::{Duration, Instant};

use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Vit;
use support::data::Split;
use support::train::{
    Classifier, EpochLoader, PictureBatcher, TEST_BATCH, accuracy, learner, noise_per_picture,
};
use support::{Draws, Error, RATE_FROM_SCRATCH, stop};

use crate::choice::{Choice, Kind};
use crate::cli::Args;
use crate::report::table::Row;

/// Tells the draws of these trainings from others'.
const PHASE: u64 = 2;
/// How long the forward passes are timed.
const TIMED: Duration = Duration::from_millis(300);

/// What all embeddings have in common.
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a Args,
    pub(crate) split: &'a Split,
    pub(crate) device: &'a Device,
}

/// A trained model and how long its training took.
struct Trained {
    vit: Vit<AnyPatchEmbed>,
    seconds: f64,
}

impl Bench<'_> {
    /// Trains with every seed and measures.
    pub(crate) fn measure(&self, choice: Choice) -> Result<Row, Error> {
        let start = Instant::now();
        let fresh = choice
            .model
            .vit(self.split, &self.device.clone().autodiff())?;
        let layout = fresh.layout(self.split.train.size)?;
        let mut accuracies = Vec::new();
        let mut training_seconds = 0.0;
        let mut forward_rates = Vec::new();
        for seed in 0..u64::from(self.args.seeds) {
            let trained = self.train(choice, self.args.seed.wrapping_add(seed))?;
            training_seconds += trained.seconds;
            accuracies.push(accuracy(&trained.vit, &self.split.test, self.device)?);
            forward_rates.push(self.forward_rate(&trained.vit)?);
        }
        let seen = self.args.epochs() * self.split.train.len() * accuracies.len();
        Ok(Row {
            kind: choice.kind,
            name: choice.name,
            summary: choice.summary,
            accuracy: mean(&accuracies),
            accuracy_deviation: deviation(&accuracies),
            own_parameters: match choice.kind {
                Kind::Embedding => trainable(&fresh.patch_embed),
                Kind::Position => trainable(&fresh.encoder.position),
                Kind::Reducer => trainable(&fresh.encoder.reducers),
            },
            parameters: trainable(&fresh),
            tokens: layout.tokens,
            training_images_per_second: seen as f64 / training_seconds,
            inference_images_per_second: mean(&forward_rates),
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    fn train(&self, choice: Choice, seed: u64) -> Result<Trained, Error> {
        let draws = Draws::new(seed, PHASE);
        self.device.seed(draws.device(0));
        let device = self.device.clone().autodiff();
        let vit = choice.model.vit(self.split, &device)?.train();
        let noise = noise_per_picture(&vit, self.split.train.size)?;
        let (len, epochs) = (self.split.train.len(), self.args.epochs());
        let batch = (self.args.batch as usize).min(len);
        let steps = epochs * len.div_ceil(batch);
        let mut learner = learner(Classifier::new(vit), RATE_FROM_SCRATCH, steps)?;
        let loader = || {
            let batcher = PictureBatcher::new(self.split.train.clone(), noise, true, draws);
            EpochLoader::new(batcher, len, batch, &device).shuffled(draws, 0)
        };
        let sync = || device.sync().map_err(|error| broken(&error));

        // The first step sets up threads and kernels, so it is not timed, and its gradients are not applied.
        for batch in loader().iter().take(1) {
            learner.train_step(batch.map_err(|error| broken(&error))?);
        }
        sync()?;
        let loader = loader();
        let start = Instant::now();
        for epoch in 1..=epochs {
            let mut sum = Tensor::zeros([1], self.device);
            for batch in loader.iter() {
                stop::check()?;
                let step = learner.train_step(batch.map_err(|error| broken(&error))?);
                sum = sum + step.item.loss.inner();
                learner.lr_step();
                learner.optimizer_step(step.grads);
            }
            // Read once an epoch: a read for every step would slow down what is timed.
            finite(choice.name, epoch, sum)?;
        }
        sync()?;
        Ok(Trained {
            seconds: start.elapsed().as_secs_f64(),
            vit: learner.model().vit.valid(),
        })
    }

    /// Pictures per second without gradients.
    fn forward_rate(&self, vit: &Vit<AnyPatchEmbed>) -> Result<f64, Error> {
        let count = TEST_BATCH.min(self.split.test.len());
        let indices: Vec<usize> = (0..count).collect();
        let batcher = PictureBatcher::new(self.split.test.clone(), 0, false, Draws::new(0, PHASE));
        let images = batcher.collect(&indices, 0, self.device)?.images;
        let forward = || {
            let logits = vit.forward(images.clone());
            let done = self.device.sync();
            drop(logits);
            done.map_err(|error| Error::Training(error.to_string()))
        };
        forward()?;
        let start = Instant::now();
        let mut passes = 0;
        while passes == 0 || start.elapsed() < TIMED {
            forward()?;
            passes += 1;
        }
        Ok((passes * count) as f64 / start.elapsed().as_secs_f64())
    }
}

fn broken(error: &dyn std::error::Error) -> Error {
    Error::Training(error.to_string())
}

/// Whether every loss of the epoch was finite, by their sum.
fn finite(name: &str, epoch: usize, sum: Tensor<1>) -> Result<(), Error> {
    let sum = sum.try_into_scalar::<f64>();
    let sum = sum.map_err(|error| broken(&error))?;
    match sum.is_finite() {
        true => Ok(()),
        false => {
            let why = format!("{name}: a loss of epoch {epoch} is not finite (their sum is {sum})");
            Err(Error::Training(why))
        }
    }
}

/// How many numbers training changes: no fixed bases, no running statistics.
fn trainable(module: &impl Module) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0 += param.lazy_shape().num_elements();
            }
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of a sample; none of a single value.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (values.len() > 1).then(|| (squares.sum::<f64>() / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn_patch::layers::BatchNormConfig;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        assert_eq!(deviation(&[0.5]), None);
        let deviation = deviation(&[0.2, 0.4, 0.6]).unwrap();
        assert!((deviation - 0.2).abs() < 1e-12, "{deviation}");
    }

    #[test]
    fn a_loss_that_is_not_finite_names_embedding_and_epoch() {
        let device = Device::flex();
        assert!(finite("linear", 1, Tensor::from_data([2.5], &device)).is_ok());
        let error = finite("linear", 3, Tensor::from_data([f32::NAN], &device)).unwrap_err();
        assert!(
            error.to_string().contains("linear: a loss of epoch 3"),
            "{error}"
        );
    }

    #[test]
    fn running_statistics_and_frozen_numbers_are_not_counted() {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(6).init(&device);
        assert_eq!((trainable(&norm), norm.num_params()), (12, 24));
        let linear = LinearConfig::new(3, 4).init(&device);
        assert_eq!(trainable(&linear), 16);
        assert_eq!(trainable(&linear.no_grad()), 0);
    }
}
