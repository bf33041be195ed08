//! Training with burn-train: batches, steps, schedule, checkpoints.
//!
//! The loop, the optimizer and the view are burn-train's, so that its strategies for several devices stay open. Its
//! loader, metrics, logs and checkpointers are replaced by ours through its own traits: its loader's generator goes on
//! from epoch to epoch, its means weigh batches, its logs and views panic when they cannot write, and its checkpoints
//! do not say whose they are.

mod accuracy;
mod activation_type;
mod ahead;
mod batch;
mod batchers;
mod checkpoint_part;
mod checkpoints;
mod classifier;
mod epoch_loader;
mod epoch_means;
mod every_epoch;
mod exact;
mod host_batch;
mod loss;
mod manifest;
mod mean;
mod mixed_step;
mod monitor;
mod no_log;
mod no_view;
mod outcome;
mod phase;
mod picture_batcher;
mod pretrainer;
mod recipe;
mod right;
mod step_output;
mod terminal_renderer;
mod train;

pub use accuracy::{TEST_BATCH, accuracy};
pub use activation_type::ActivationType;
pub use batch::Batch;
pub use batchers::Batchers;
pub(crate) use checkpoints::{is_checkpoint_file, runs_in};
pub use classifier::Classifier;
pub use epoch_loader::EpochLoader;
pub use epoch_means::{EpochMeans, Means};
pub use manifest::run_of;
pub use outcome::Outcome;
pub use phase::Phase;
pub use picture_batcher::{PictureBatcher, noise_per_picture};
pub use pretrainer::Pretrainer;
pub use recipe::learner;
pub use step_output::StepOutput;
pub use train::{Scored, train};
