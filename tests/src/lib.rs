//! What the tests share: devices, formula inputs, tolerances, parameters by path, golden files and
//! the modules under test.

mod backends;
mod det;
mod golden;
mod params;
#[cfg(feature = "remote")]
mod served;
mod shard;
mod subject;
mod subjects;
pub mod tolerance;

pub use backends::{BackendDevice, backends};
pub use det::{det, det_tensor};
pub use golden::{Golden, golden_folder};
pub use params::{fill, gradients, inference, is_running, load_named, to_dtype};
pub use subject::{
    Difference, Outcome, Subject, largest_difference, largest_difference_over, largest_magnitude,
};
pub use subjects::subjects;

/// Compiles the example of the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
