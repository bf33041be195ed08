//! What composed layers are made of, each an operation for which a backend may have one kernel.
//!
//! Burn composes a softmax of four operations and a layer norm's gradient of a dozen. A GPU's driver compiles each of them
//! when it is first run, for every shape of its arguments' layout, and products and reductions are measured besides.
//! These few take their sizes at run time.

pub(crate) mod composed;
mod part_ops;

pub use part_ops::PartOps;
