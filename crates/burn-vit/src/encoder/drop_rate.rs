//! Stochastic depth over the blocks.

/// DropPath's rate in a block: it grows evenly from 0 in the first to `rate` in the last.
pub(crate) fn drop_rate(rate: f64, index: usize, depth: usize) -> f64 {
    rate * index as f64 / depth.saturating_sub(1).max(1) as f64
}
