//! Training with burn-train: batches, steps, schedule, checkpoints.

mod batch;
mod phase;
mod plain_renderer;
mod recipe;
mod steps;

pub use batch::{Batch, PictureBatcher, loader};
pub(crate) use phase::{Batchers, Outcome, Phase, last_checkpoint, train};
pub use recipe::learner;
pub(crate) use steps::Pretrainer;
pub use steps::{Classifier, TEST_BATCH, accuracy};
