//! LibTorch (deprecated upstream): its own fused operations and their gradients.
//!
//! LibTorch's Rust bindings lack some of these, and a backward pass with a given gradient; `operations.pt` is a
//! TorchScript of those, a few lines that `make_operations.py` writes.

mod attention;
mod layers;
mod operations;
mod optimizer;
mod patches;
pub(super) mod precision;
mod tape;
