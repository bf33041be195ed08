//! Kernels on host memory, shared by the CPU backends.
//!
//! **Projection.** Each thread takes a block of windows, gathers it into a buffer that stays in the processor's cache,
//! and multiplies it there with faer, which picks its kernel for the processor at run time and was measured to be nearly
//! twice as fast as the product inside Flex. All windows together are never in memory: beyond input and output the
//! projection takes a block per thread. Half precision is computed in `f32` and rounded once.
//!
//! **Gradient of the weight.** A large weight is divided among the threads by its rows: all threads gather one block
//! together, then each multiplies it for its own rows. The gradient of a small weight is a sum of
//! parts, each over some of the windows (`sums`). Linear layers do the same. How many parts there are follows from the
//! shapes alone, so a machine gives the same result with any number of threads.
//!
//! **Bytes.** They are converted while they are gathered. Where a pixel's channels are neighbours in memory, the gather
//! takes them for a picture of one channel that is as many times wider, and the weight is reordered to match.
//!
//! **Products without AVX-512.** faer reads one factor of a weight's gradient across its rows, each value from another
//! cache line; such products are made in steps of their depth that stay in the first-level cache (`block`).
//!
//! **Layers.** Linear layers use the same product. Attention works on blocks of queries and computes its weights again
//! in the backward pass: that costs one more product and keeps nothing of size tokens² but a tracked
//! bias's gradient. Scores out of reach are never computed: each image is a few *parts*, queries and the keys that all
//! of them reach, in ranges that are read where they lie or in lists that are gathered. They come from the mask or the
//! segment numbers, or from the host's spans where a caller has them. A bias that images share has a gradient that sums
//! over them; threads then take heads instead of images, so that the sum has one order.
//!
//! What is done value by value (GELU, softmax, norms) is one pass, and its loops are compiled for each instruction set
//! by pulp (`vectorized`): compiled for the oldest x86-64 alone they took half of a training step.
//!
//! What was measured, and on which machines, is in `benches/record/pytorch-cpu`.

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
mod rows;
mod sums;
mod vectorized;
mod zeros;

pub(super) use backend::cpu_backend;
pub(super) use host::Host;

use real::Real;
