//! The operations that every embedding is made of, and where each backend implements them.
//!
//! The functions are what modules call. The traits [`PatchOps`] and [`LayerOps`], and [`PatchGrads`] and
//! [`LayerGrads`] for their gradients, are what a backend may override. Apart from the lists of backends that Burn's
//! `backend_extension` wants above those traits, only [`backends`] names one.

#![allow(deprecated)] // NdArray and LibTorch are deprecated upstream and first-class here.
#![cfg_attr(
    not(any(feature = "flex", feature = "ndarray", feature = "tch", feature = "cubecl", feature = "remote")),
    allow(unused_variables) // The dispatch over no backend reads no argument.
)]

pub mod backends;
pub mod layer;
pub mod optim;
pub mod parts;
pub mod patch;

mod at_least_single;
mod dequantized;
mod dims;
mod gather_rows;
pub(crate) mod permuted;
pub(crate) mod pick;
mod recorded;
pub(crate) mod rows;

pub use at_least_single::at_least_single;
pub use dequantized::dequantized;
pub use gather_rows::gather_rows;
pub use layer::{
    AttentionGrads, AttentionInputs, AttentionOptions, LayerGrads, LayerOps, NormGrads, Qkv,
    QkvPrimitive, Reach, ReachPrimitive, Span, Spans, TrackedBiases, attention, cross_entropy,
    gelu, layer_norm, linear,
};
#[cfg(feature = "optim")]
pub use optim::{AdamWMoments, FusedAdamW, FusedAdamWConfig};
pub use optim::{AdamWOps, AdamWSettings, AdamWState, AdamWStep};
pub use parts::PartOps;
pub use patch::{
    Bias, Cells, Fill, Images, ParameterGrads, PatchGrads, PatchOps, PixelOrder, Pixels,
    byte_tensor, fold_windows, overlap_add, patch_windows, project_cells, project_patches,
    project_pixels,
};
pub use recorded::Recorded;
