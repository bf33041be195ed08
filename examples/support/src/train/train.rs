//! The training loop, by burn-train.

use std::io::IsTerminal;
use std::time::Instant;

use burn::train::logger::{FileMetricLogger, MetricLogger};
use burn::train::metric::NumericEntry;
use burn::train::metric::store::Split;
use burn::train::{InferenceStep, LearnerModel, SupervisedTraining, TrainStep};

use crate::error::Error;
use crate::train::batch::Batch;
use crate::train::batchers::Batchers;
use crate::train::checkpoint::load;
use crate::train::loader::loader;
use crate::train::outcome::Outcome;
use crate::train::phase::Phase;
use crate::train::plain_renderer::PlainRenderer;
use crate::train::recipe::learner;

/// Trains `model`, or goes on from the last checkpoint; `register` adds the metrics.
///
/// # Errors
///
/// If a checkpoint does not fit, or training ends early.
pub fn train<M>(
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
