//! The layers of a transformer as operations: linear, attention, layer norm, GELU.
//!
//! Burn has these too. On Flex they run value by value on one core and copy around attention, and a training step of a
//! small ViT is mostly that; so they have a trait here, with gradients written by hand, kernels on the CPU
//! (`ops/backends/cpu`) and Burn's own operations elsewhere (`composed`). Modules keep `Linear` and `LayerNorm`
//! for parameters and records, and call these functions for the work.
//!
//! GELU is here because Burn 0.22.1 differentiates its own by the tanh approximation on NdArray and CubeCL and exactly
//! on Flex and LibTorch: gradients differ by up to 6·10⁻⁴, and no finite difference agrees. [`gelu()`] is exact on all.
//! On CubeCL, and for other types than `f32`, it is composed of several operations.

pub(crate) mod attention;
pub(crate) mod composed;

mod cross_entropy;
mod gelu;
mod layer_norm;
mod layer_ops;
mod linear;

pub use attention::{
    AttentionGrads, AttentionInputs, AttentionOptions, Qkv, QkvPrimitive, Reach, ReachPrimitive,
    Span, Spans, TrackedBiases, attention,
};
pub use cross_entropy::cross_entropy;
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use layer_ops::{LayerGrads, LayerOps, NormGrads};
pub use linear::linear;
