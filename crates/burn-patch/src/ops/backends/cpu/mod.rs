//! Kernels on host memory, shared by the CPU backends.
//!
//! Patch projection: threads take blocks of windows, gather them into a buffer that stays in cache
//! and multiply there with faer, which picks its kernel for the processor at run time. Nothing as
//! large as all windows is ever made: beyond input and output it takes a block per thread.
//!
//! The layers of a transformer: the same product, attention on blocks of queries, and one pass for
//! what is done value by value. Sums run in an order that does not depend on how many threads there
//! are.

pub(super) mod attention;
mod backend;
mod block;
mod gather;
mod gelu;
mod grads;
mod host;
mod layer_norm;
pub(super) mod layers;
mod linear;
pub(super) mod patches;
mod project;
mod real;
mod sums;
mod vectorized;

pub(super) use backend::cpu_backend;
pub(super) use host::Host;

use real::Real;
