//! What the examples share: real pictures, the tiny ViT around each embedding of the catalogue, the recipe that trains
//! it, runs that can be stopped and resumed, drawing, and errors for the person at the terminal.

pub mod data;
mod devices;
mod draws;
mod error;
mod failure;
mod kernels;
mod log_records;
mod output;
mod reducers;
pub mod report;
pub mod run;
mod signal;
pub mod stop;
mod terminal;
mod tiny_model;
mod tiny_reducer;
pub mod train;

pub use devices::{Devices, serve};
pub use draws::Draws;
pub use error::Error;
pub use failure::program;
pub use kernels::prepare_backend;
pub use output::say;
pub use reducers::reducers;
pub use tiny_model::{DROP_PATH, PATCH, RATE_FROM_SCRATCH, TinyModel, USUAL_POSITION};
