//! What `tiny-mae` is made of, for its binary and for other examples: real pictures, the tiny ViT around each
//! embedding of the catalogue, the recipe that trains it, and errors for the person at the terminal.

mod cli;
mod data;
mod error;
mod failure;
mod model;
mod report;
mod run;
mod train;

use std::process::ExitCode;

pub use data::{Pictures, Source, Split};
pub use error::Error;
pub use failure::program;
pub use model::{Choice, RATE_FROM_SCRATCH};
pub use report::{Canvas, make_writable, picture, write};
pub use train::{Batch, Classifier, PictureBatcher, TEST_BATCH, accuracy, learner, loader};

/// The program `tiny-mae`.
pub fn main() -> ExitCode {
    program(run::run)
}
