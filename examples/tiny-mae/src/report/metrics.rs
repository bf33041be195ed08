//! What metrics.json holds.

use std::path::Path;

use burn::module::Module;
use serde::Serialize;
use support::report::write;
use support::train::{Classifier, Outcome, Pretrainer};
use support::{Devices, Error, say};

use crate::cli::Args;

/// What metrics.json holds; what was not trained is null.
#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    test_accuracy_finetuned: Option<f64>,
    test_accuracy_scratch: Option<f64>,
    /// Mean over the training pictures in the last epoch.
    mae_loss: Option<f64>,
    /// Mean over the watched held-out pictures (the first 500) after the last epoch.
    mae_test_loss: Option<f64>,
    /// Training pictures over seconds, all phases together, testing included.
    images_per_second: Option<f64>,
    mae_images_per_second: Option<f64>,
    vit_images_per_second: Option<f64>,
    seconds: f64,
    seed: u64,
    /// Names of the devices.
    backend: String,
    embedding: &'static str,
    position: &'static str,
    reducer: Option<&'static str>,
    keep: Option<f64>,
    /// Of activations while training.
    dtype: &'static str,
    dataset: String,
    /// Id of the run, as its checkpoints and models have it.
    run: String,
    batch: u32,
    mae_parameters: Option<usize>,
    vit_parameters: Option<usize>,
    mae: Option<History>,
    finetuned: Option<History>,
    scratch: Option<History>,
    #[serde(skip)]
    pictures: usize,
}

/// A value per epoch.
#[derive(Debug, Clone, Serialize)]
struct History {
    train_loss: Vec<f64>,
    test_loss: Vec<f64>,
    /// Of the watched pictures; none for an MAE.
    test_accuracy: Vec<f64>,
}

impl Metrics {
    pub(crate) fn new(args: &Args, devices: &Devices, dataset: &str, run: &str) -> Self {
        Self {
            test_accuracy_finetuned: None,
            test_accuracy_scratch: None,
            mae_loss: None,
            mae_test_loss: None,
            images_per_second: None,
            mae_images_per_second: None,
            vit_images_per_second: None,
            seconds: 0.0,
            seed: args.seed,
            backend: devices.names(),
            embedding: args.embed,
            position: args.position,
            reducer: args.reduce,
            keep: args.keep,
            dtype: args.dtype.name(),
            dataset: dataset.to_owned(),
            run: run.to_owned(),
            batch: args.batch,
            mae_parameters: None,
            vit_parameters: None,
            mae: None,
            finetuned: None,
            scratch: None,
            pictures: 0,
        }
    }

    pub(crate) fn add_mae(&mut self, outcome: &Outcome<Pretrainer>) {
        let history = self.add(outcome);
        self.mae_loss = history.train_loss.last().copied();
        self.mae_test_loss = history.test_loss.last().copied();
        self.mae_images_per_second = rate(outcome.pictures(), outcome.seconds());
        self.mae_parameters = Some(outcome.model.num_params());
        self.mae = Some(history);
    }

    pub(crate) fn add_finetuned(&mut self, outcome: &Outcome<Classifier>, accuracy: f64) {
        self.test_accuracy_finetuned = Some(accuracy);
        self.finetuned = Some(self.add_classifier(outcome));
    }

    pub(crate) fn add_scratch(&mut self, outcome: &Outcome<Classifier>, accuracy: f64) {
        self.test_accuracy_scratch = Some(accuracy);
        self.scratch = Some(self.add_classifier(outcome));
    }

    fn add_classifier(&mut self, outcome: &Outcome<Classifier>) -> History {
        self.vit_parameters = Some(outcome.model.num_params());
        self.vit_images_per_second = rate(outcome.pictures(), outcome.seconds());
        self.add(outcome)
    }

    fn add<M>(&mut self, outcome: &Outcome<M>) -> History {
        self.pictures += outcome.pictures();
        self.seconds += outcome.seconds();
        self.images_per_second = rate(self.pictures, self.seconds);
        History {
            train_loss: outcome.train_losses(),
            test_loss: outcome.test_losses(),
            test_accuracy: outcome
                .epochs
                .iter()
                .filter_map(|epoch| epoch.test.accuracy())
                .collect(),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(self).expect("plain numbers serialise");
        write(path, json.as_bytes())
    }

    pub(crate) fn print(&self) {
        let percent = |accuracy: f64| format!("{:.2} %", 100.0 * accuracy);
        let lines = [
            (
                "MAE loss, last epoch",
                self.mae_loss.map(|loss| format!("{loss:.4}")),
            ),
            (
                "test accuracy, fine-tuned",
                self.test_accuracy_finetuned.map(percent),
            ),
            (
                "test accuracy, from scratch",
                self.test_accuracy_scratch.map(percent),
            ),
            (
                "training pictures per second",
                self.images_per_second.map(|rate| format!("{rate:.0}")),
            ),
        ];
        for (name, value) in lines {
            if let Some(value) = value {
                say(format_args!("{name:>30}: {value}"));
            }
        }
    }
}

fn rate(pictures: usize, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| pictures as f64 / seconds)
}
