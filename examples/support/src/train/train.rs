//! The training loop, by burn-train.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn::train::metric::store::Split;
use burn::train::{
    ExecutionStrategy, InferenceStep, Interrupter, LearnerModel, LearningResult, MultiDeviceOptim,
    SupervisedTraining, TrainStep,
};

use crate::error::Error;
use crate::output::say;
use crate::train::accuracy::TEST_BATCH;
use crate::train::batch::Batch;
use crate::train::batchers::Batchers;
use crate::train::checkpoint_part::CheckpointPart;
use crate::train::checkpoints::{Checkpoints, PARTS};
use crate::train::classifier::Classifier;
use crate::train::epoch_loader::EpochLoader;
use crate::train::every_epoch::EveryEpoch;
use crate::train::loss::Loss;
use crate::train::monitor::Monitor;
use crate::train::no_log::NoLog;
use crate::train::no_view::NoView;
use crate::train::outcome::Outcome;
use crate::train::phase::Phase;
use crate::train::pretrainer::Pretrainer;
use crate::train::recipe::learner;
use crate::train::right::Right;
use crate::train::step_output::StepOutput;
use crate::train::terminal_renderer::TerminalRenderer;
use crate::{stop, terminal};

/// A model that can be trained, and whether it names its pictures.
pub trait Scored:
    LearnerModel
    + TrainStep<Input = Batch, Output = StepOutput>
    + InferenceStep<Input = Batch, Output = StepOutput>
{
    /// Whether it names pictures, so that some are named rightly.
    const NAMES: bool;
}

impl Scored for Classifier {
    const NAMES: bool = true;
}

impl Scored for Pretrainer {
    const NAMES: bool = false;
}

/// Trains `model`, or goes on from the newest whole checkpoint in the folder of `phase`.
///
/// # Errors
///
/// [`Error::Stopped`], [`Error::NotFinite`], [`Error::Output`], and [`Error::Training`] for whatever else keeps the
/// last epoch from its checkpoint: without that, nothing is returned.
pub fn train<M: Scored>(phase: &Phase, model: M, batchers: Batchers) -> Result<Outcome<M>, Error> {
    stop::check()?;
    let interrupter = Interrupter::new();
    let monitor = Arc::new(Monitor::new(interrupter.clone()));
    let pictures = batchers.train_len;
    let checkpoints = Arc::new(Checkpoints::open(phase, pictures, monitor.clone())?);
    let before = checkpoints.newest(|bytes| load(&model, bytes))?;
    let done = before.as_ref().map_or(0, |(epoch, _)| *epoch);
    if done > phase.epochs {
        let epochs = phase.epochs;
        return Err(Error::BeyondEpochs { done, epochs });
    }
    if let Some((_, model)) = before {
        say(match done == phase.epochs {
            true => format!("{}: all {done} epochs are there already", phase.name),
            false => format!("{}: going on after epoch {done}", phase.name),
        });
        if done == phase.epochs {
            let (model, epochs) = (model.valid(), checkpoints.epochs());
            return Ok(Outcome { model, epochs });
        }
    }
    let steps = phase.epochs * steps(phase, pictures);
    let learner = learner(model, phase.learning_rate, steps)?;
    stop::interrupts(&interrupter);
    let training = training(phase, batchers, done, &monitor, &checkpoints);
    let result = training.with_interrupter(interrupter).launch(learner);
    finished(phase, result, &monitor, &checkpoints)
}

/// Pictures of a step for each device.
fn share(phase: &Phase) -> usize {
    phase.batch.div_ceil(phase.devices.len())
}

/// Steps of an epoch: burn-train slices the pictures, and the last device has what the others leave.
fn steps(phase: &Phase, pictures: usize) -> usize {
    let others = phase.devices.len() - 1;
    let last = pictures - others * (pictures / phase.devices.len());
    last.div_ceil(share(phase))
}

/// `model` with the values of a record.
fn load<M: LearnerModel>(model: &M, bytes: Vec<u8>) -> Result<M, String> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes));
    let record = record.map_err(|error| error.to_string())?;
    let loaded = model.clone().try_load_record(record);
    loaded.map_err(|error| error.to_string())
}

/// burn-train's loop, with our parts in it.
fn training<M: Scored>(
    phase: &Phase,
    batchers: Batchers,
    done: usize,
    monitor: &Arc<Monitor>,
    checkpoints: &Arc<Checkpoints>,
) -> SupervisedTraining<M> {
    let device = &phase.devices[0];
    let train = EpochLoader::new(batchers.train, batchers.train_len, share(phase), device)
        .shuffled(phase.draws, done)
        .watched(monitor.clone());
    // The shape that other evaluations have, so that a GPU compiles kernels for one alone.
    let test = EpochLoader::new(batchers.test, batchers.test_len, TEST_BATCH, device);
    let strategy =
        ExecutionStrategy::multi(phase.devices.clone(), MultiDeviceOptim::OptimMainDevice);
    let [model, optimizer, schedule] = PARTS.map(|part| CheckpointPart {
        checkpoints: checkpoints.clone(),
        part,
    });
    let loss = |split| Loss::new(split, phase.devices.len(), monitor.clone());
    let mut training = SupervisedTraining::new(&phase.folder, Arc::new(train), Arc::new(test))
        .metric_train_numeric(loss(Split::Train))
        .metric_valid_numeric(loss(Split::Valid))
        .num_epochs(phase.epochs)
        .with_training_strategy(strategy.into())
        .with_custom_checkpointers(model, optimizer, schedule)
        .with_checkpointing_strategy(EveryEpoch(checkpoints.clone()))
        .with_metric_logger(NoLog)
        .with_application_logger(None)
        .label(phase.name);
    if M::NAMES {
        let right = |split| Right::new(split, monitor.clone());
        training = training
            .metric_train_numeric(right(Split::Train))
            .metric_valid_numeric(right(Split::Valid));
    }
    if done > 0 {
        training = training.checkpoint(done);
    }
    training.renderer(match terminal::takes_a_view() {
        true => Box::new(TerminalRenderer::new(done)),
        false => Box::new(NoView),
    })
}

/// The outcome, if the last epoch's checkpoint is there; otherwise why it is not.
fn finished<M>(
    phase: &Phase,
    result: LearningResult<M>,
    monitor: &Monitor,
    checkpoints: &Checkpoints,
) -> Result<Outcome<M>, Error> {
    // Closes the view, so that what follows is read.
    drop(result.renderer);
    terminal::restore();
    let finished = checkpoints.finished();
    if let Some(trouble) = monitor.trouble() {
        return Err(Error::NotFinite {
            phase: phase.name.to_owned(),
            loss: trouble.loss,
            epoch: trouble.epoch,
            step: trouble.step,
            split: trouble.split,
            rate: trouble.rate.unwrap_or(phase.learning_rate),
            kept: match finished {
                0 => "no epoch was whole before it".to_owned(),
                epoch => format!("the checkpoint of epoch {epoch} is kept"),
            },
        });
    }
    if let Some(failure) = checkpoints.failure() {
        return Err(failure);
    }
    stop::check()?;
    if let Some(error) = result.error {
        return Err(Error::Training(error.to_string()));
    }
    let epochs = checkpoints.epochs();
    if finished != phase.epochs || epochs.len() != phase.epochs {
        let all = phase.epochs;
        let why = format!("{} ended after epoch {finished} of {all}", phase.name);
        return Err(Error::Training(why));
    }
    Ok(Outcome {
        model: result.model,
        epochs,
    })
}
