//! Training with burn-train: batches, steps, schedule, checkpoints.

mod batch;
mod phase;
mod plain_renderer;
mod steps;

pub(crate) use batch::{Batch, PictureBatcher};
pub(crate) use phase::{Batchers, Outcome, Phase, last_checkpoint, train};
pub(crate) use steps::{Classifier, Pretrainer};
