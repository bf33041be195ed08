//! Training with a model whose losses are chosen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use burn::train::TrainOutput;

use super::*;
use crate::data::Pictures;
use crate::draws::Draws;
use crate::train::picture_batcher::PictureBatcher;

const PICTURES: usize = 10;
const BATCH: usize = 4;
const STEPS: usize = 3;

/// Its loss is the mean brightness times a weight, but for one step.
#[derive(Module, Debug)]
struct Brightness {
    weight: Param<Tensor<1>>,
    #[module(skip)]
    steps: Arc<AtomicUsize>,
    /// The step that has this loss, training or held out, from 1.
    #[module(skip)]
    odd: (bool, usize, f32),
}

impl Brightness {
    fn new(held_out: bool, step: usize, loss: f32) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([1], &Device::flex().autodiff())),
            steps: Arc::default(),
            odd: (held_out, step, loss),
        }
    }

    fn output(&self, batch: Batch, held_out: bool) -> StepOutput {
        let [pictures] = batch.labels.dims();
        let mut loss = batch.images.mean() * self.weight.val();
        if held_out == self.odd.0 && self.steps.fetch_add(1, Ordering::SeqCst) + 1 == self.odd.1 {
            loss = loss * self.odd.2;
        }
        StepOutput {
            loss,
            right: None,
            pictures,
        }
    }
}

impl TrainStep for Brightness {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> TrainOutput<StepOutput> {
        let output = self.output(batch, false);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Brightness {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        self.output(batch, true)
    }
}

impl Scored for Brightness {
    const NAMES: bool = false;
}

fn phase(folder: &std::path::Path, rate: f64, devices: usize, batch: usize) -> Phase {
    Phase {
        name: "brightness",
        epochs: 3,
        batch,
        learning_rate: rate,
        draws: Draws::new(0, 1),
        devices: vec![Device::flex(); devices],
        folder: folder.to_owned(),
        run: "run".to_owned(),
        start: String::new(),
    }
}

fn run(
    folder: &std::path::Path,
    model: Brightness,
    rate: f64,
    devices: usize,
) -> Result<Outcome<Brightness>, Error> {
    let phase = phase(folder, rate, devices, BATCH);
    let pixels = (0..PICTURES).map(|index| 130 + 12 * index as u8).collect();
    let pictures = Arc::new(Pictures::unlabelled(pixels, 1, [1, 1]));
    let batcher = || PictureBatcher::new(pictures.clone(), 0, false, phase.draws);
    let batchers = Batchers {
        train: batcher(),
        train_len: PICTURES,
        test: batcher(),
        test_len: PICTURES,
    };
    train(&phase, model, batchers)
}

#[test]
fn the_first_loss_that_is_not_finite_ends_the_training_and_the_last_good_checkpoint_stays() {
    for (held_out, step, loss, parts) in [
        (
            false,
            STEPS + 2,
            f32::NAN,
            ["epoch 2, step 2 (training)", "epoch 1 is kept"],
        ),
        (
            false,
            2 * STEPS,
            f32::INFINITY,
            ["epoch 2, step 3 (training)", "epoch 1 is kept"],
        ),
        (
            // All held-out pictures are one batch.
            true,
            3,
            f32::NAN,
            ["epoch 3, step 1 (held-out)", "epoch 2 is kept"],
        ),
        (
            false,
            1,
            f32::NAN,
            ["epoch 1, step 1 (training)", "no epoch was whole"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let result = run(
            folder.path(),
            Brightness::new(held_out, step, loss),
            1e-3,
            1,
        );
        let error = result.err().expect("an error");
        assert!(matches!(error, Error::NotFinite { .. }), "{error}");
        let error = error.to_string();
        for part in parts
            .into_iter()
            .chain(["learning rate ", "brightness: the loss is "])
        {
            assert!(error.contains(part), "expected '{part}' in: {error}");
        }
        // It goes on from there.
        let outcome = run(folder.path(), Brightness::new(false, 0, 1.0), 1e-3, 1).unwrap();
        assert_eq!(outcome.epochs.len(), 3);
    }
}

#[test]
fn the_step_of_a_loss_that_is_not_finite_counts_steps_and_not_devices() {
    let folder = tempfile::tempdir().unwrap();
    let third = Brightness::new(false, 3, f32::NAN);
    let error = run(folder.path(), third, 1e-3, 2).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("epoch 1, step 2 (training)"), "{error}");
}

/// Pictures of brightness 130, 142, … 238 in batches of 4, 4 and 2, or of the 2 that each of two or three devices has of a
/// batch: each counts once.
#[test]
fn the_means_of_an_epoch_are_those_of_its_pictures_on_any_number_of_devices() {
    for devices in 1..4 {
        let folder = tempfile::tempdir().unwrap();
        let model = Brightness::new(false, 0, 1.0);
        let outcome = run(folder.path(), model, 1e-30, devices).unwrap();
        let bright = (0..PICTURES).map(|index| (130.0 + 12.0 * index as f64) / 127.5 - 1.0);
        let mean = bright.sum::<f64>() / PICTURES as f64;
        for epoch in &outcome.epochs {
            for loss in [epoch.train.loss(), epoch.test.loss()] {
                assert!((loss - mean).abs() < 1e-6, "expected {mean}, got {loss}");
            }
            assert_eq!(epoch.pictures, PICTURES);
        }
    }
}

/// The learning rate falls to 0 with the last step, so its steps must be those that are taken.
#[test]
fn an_epoch_has_as_many_steps_as_its_longest_slice() {
    for (devices, pictures, batch, expected) in [
        (1, 10, 4, 3),
        (2, 10, 4, 3),
        (3, 10, 4, 2),
        (2, 1001, 64, 16),
        (4, 8, 4, 2),
    ] {
        let phase = phase(std::path::Path::new(""), 1e-3, devices, batch);
        assert_eq!(
            steps(&phase, pictures),
            expected,
            "{devices}, {pictures}, {batch}"
        );
    }
}
