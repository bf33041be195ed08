//! What the program leaves behind.

mod curves;
mod metrics;
mod reconstructions;

pub(crate) use curves::{Curve, curves};
pub(crate) use metrics::Metrics;
pub(crate) use reconstructions::{SHOWN, reconstructions};
