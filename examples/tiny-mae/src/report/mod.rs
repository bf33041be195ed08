//! What the program leaves behind.

mod canvas;
mod curves;
mod files;
mod metrics;
mod reconstructions;

pub use canvas::{Canvas, picture};
pub(crate) use curves::{Curve, curves};
pub use files::{make_writable, write};
pub(crate) use metrics::Metrics;
pub(crate) use reconstructions::{SHOWN, reconstructions};
