//! Numbers and pictures of a run.

pub(crate) mod metrics;
pub(crate) mod reconstructions;
