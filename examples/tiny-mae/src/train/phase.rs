//! One training from start or checkpoint to a finished model.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn::train::logger::{FileMetricLogger, MetricLogger};
use burn::train::metric::NumericEntry;
use burn::train::metric::store::Split;
use burn::train::{InferenceStep, LearnerModel, SupervisedTraining, TrainStep};

use super::plain_renderer::PlainRenderer;
use super::{Batch, PictureBatcher, learner, loader};
use crate::error::Error;

/// One training: which model, how long, how fast, where.
pub(crate) struct Phase {
    /// What reports and folders call it.
    pub(crate) name: &'static str,
    pub(crate) epochs: usize,
    /// Pictures per step.
    pub(crate) batch: usize,
    pub(crate) learning_rate: f64,
    /// Of the order of the pictures.
    pub(crate) seed: u64,
    pub(crate) device: Device,
    /// Folder of its checkpoints and logs.
    pub(crate) folder: PathBuf,
    /// Epochs that a checkpoint there has behind it.
    pub(crate) done: usize,
}

/// Pictures to learn from and pictures to watch.
pub(crate) struct Batchers {
    pub(crate) train: PictureBatcher,
    pub(crate) train_len: usize,
    pub(crate) test: PictureBatcher,
    pub(crate) test_len: usize,
}

/// A trained model, out of training mode, and how it came about.
pub(crate) struct Outcome<M> {
    pub(crate) model: M,
    /// Per epoch.
    pub(crate) train_loss: Vec<f64>,
    /// Per epoch.
    pub(crate) test_loss: Vec<f64>,
    /// Training pictures that went through in this run.
    pub(crate) pictures: usize,
    /// Seconds that they took, the held-out pictures and checkpoints of each epoch included.
    pub(crate) seconds: f64,
}

/// Trains `model`, or goes on from the last checkpoint; `register` adds the metrics.
pub(crate) fn train<M>(
    phase: &Phase,
    model: M,
    batchers: Batchers,
    register: impl FnOnce(SupervisedTraining<M>) -> SupervisedTraining<M>,
) -> Result<Outcome<M>, Error>
where
    M: LearnerModel + TrainStep<Input = Batch> + InferenceStep<Input = Batch>,
{
    let done = phase.done;
    if done > 0 {
        let model = load(phase, model.clone(), done)?.valid();
        if done > phase.epochs {
            return Err(Error::BeyondEpochs {
                done,
                epochs: phase.epochs,
            });
        }
        if done == phase.epochs {
            println!(
                "{}: all {} epochs are there already",
                phase.name, phase.epochs
            );
            return outcome(phase, model, 0, 0.0);
        }
    }
    let steps = phase.epochs * batchers.train_len.div_ceil(phase.batch);
    let learner = learner(model, phase.learning_rate, steps)?;
    let pictures = batchers.train_len * (phase.epochs - done);
    let (batch, device) = (phase.batch, &phase.device);
    let test = loader(batchers.test, batchers.test_len, batch, None, device);
    let seed = Some(phase.seed);
    let train = loader(batchers.train, batchers.train_len, batch, seed, device);
    let mut training = register(SupervisedTraining::new(&phase.folder, train, test))
        .num_epochs(phase.epochs)
        .with_default_checkpointers()
        .with_application_logger(None)
        .label(phase.name);
    if !std::io::stdout().is_terminal() {
        training = training.renderer(Box::new(PlainRenderer::new(phase.name, phase.epochs)));
    }
    if done > 0 {
        training = training.checkpoint(done);
    }
    let start = Instant::now();
    let result = training.launch(learner);
    if let Some(error) = result.error {
        return Err(Error::Training(error.to_string()));
    }
    if let Some(stop) = result.interrupted {
        return Err(Error::Training(
            stop.reason.unwrap_or_else(|| "interrupted".to_owned()),
        ));
    }
    outcome(phase, result.model, pictures, start.elapsed().as_secs_f64())
}

/// The last epoch with model, optimizer and scheduler.
pub(crate) fn last_checkpoint(folder: &Path) -> Option<usize> {
    let folder = folder.join("checkpoint");
    let epochs = std::fs::read_dir(&folder).ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?
            .strip_prefix("model-")?
            .strip_suffix(".bpk")?
            .parse()
            .ok()
    });
    epochs
        .filter(|epoch: &usize| {
            ["optim", "scheduler"]
                .iter()
                .all(|part| folder.join(format!("{part}-{epoch}.bpk")).exists())
        })
        .max()
}

fn load<M: LearnerModel>(phase: &Phase, model: M, epoch: usize) -> Result<M, Error> {
    let path = phase.folder.join(format!("checkpoint/model-{epoch}.bpk"));
    let misfit = |why: String| Error::Checkpoint {
        path: path.clone(),
        why,
    };
    let record = ModuleRecord::load(&path).map_err(|error| misfit(error.to_string()))?;
    model
        .try_load_record(record)
        .map_err(|error| misfit(error.to_string()))
}

fn outcome<M>(phase: &Phase, model: M, pictures: usize, seconds: f64) -> Result<Outcome<M>, Error> {
    let mut logs = FileMetricLogger::new(&phase.folder);
    let mut history = |split: Split| {
        (1..=phase.epochs)
            .map(|epoch| {
                let entries = logs
                    .read_numeric("Loss", epoch, &split)
                    .map_err(Error::Training)?;
                Ok(mean(&entries))
            })
            .collect::<Result<Vec<f64>, Error>>()
    };
    Ok(Outcome {
        model,
        train_loss: history(Split::Train)?,
        test_loss: history(Split::Valid)?,
        pictures,
        seconds,
    })
}

/// Mean over an epoch's batches.
fn mean(entries: &[NumericEntry]) -> f64 {
    let weighted = entries.iter().filter_map(|entry| match entry {
        NumericEntry::Value(value) => Some((*value, 1.0)),
        NumericEntry::Aggregated {
            aggregated_value,
            count,
        } => Some((*aggregated_value, *count as f64)),
        NumericEntry::Final(_) => None,
    });
    let (sum, weight) = weighted.fold((0.0, 0.0), |(sum, weight), (value, count)| {
        (sum + value * count, weight + count)
    });
    sum / weight
}
