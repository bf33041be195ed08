//! Training with burn-train: batches, steps, schedule, checkpoints.

mod accuracy;
mod batch;
mod batchers;
mod checkpoint;
mod classifier;
mod loader;
mod loss_output;
mod outcome;
mod phase;
mod picture_batcher;
mod plain_renderer;
mod pretrainer;
mod recipe;
mod train;

pub use accuracy::{TEST_BATCH, accuracy};
pub use batch::Batch;
pub use batchers::Batchers;
pub use checkpoint::last_checkpoint;
pub use classifier::Classifier;
pub use loader::loader;
pub use loss_output::LossOutput;
pub use outcome::Outcome;
pub use phase::Phase;
pub use picture_batcher::PictureBatcher;
pub use pretrainer::Pretrainer;
pub use recipe::learner;
pub use train::train;
