//! What the examples share: real pictures, the tiny ViT around each embedding of the catalogue, the recipe that trains
//! it, drawing, and errors for the person at the terminal.

pub mod data;
mod error;
mod failure;
mod reducers;
pub mod report;
mod tiny_model;
pub mod train;

pub use error::Error;
pub use failure::program;
pub use reducers::reducers;
pub use tiny_model::{DROP_PATH, PATCH, RATE_FROM_SCRATCH, TinyModel};
