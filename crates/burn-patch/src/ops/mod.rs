//! The operations that carry every embedding, and where each backend implements them.
//!
//! [`functions`] are what modules call; [`PatchOps`], [`LayerOps`] and their gradients, [`PatchGrads`] and
//! [`LayerGrads`], are what a backend may override;
//! [`backends`] is the only place that names one.

#![allow(deprecated)] // NdArray and LibTorch are deprecated upstream and first-class here.
#![cfg_attr(
    not(any(feature = "flex", feature = "ndarray", feature = "tch", feature = "cubecl")),
    allow(unused_variables) // The dispatch over no backend reads no argument.
)]

pub mod backends;
pub mod functions;

mod composed;
mod composed_layers;
mod layer_ops;
mod patch_ops;

pub use functions::{
    Images, PixelOrder, attention, fold_windows, gather_rows, gelu, layer_norm, linear,
    overlap_add, patch_windows, project_cells, project_patches, project_pixels,
};
pub use layer_ops::{LayerGrads, LayerOps, NormGrads};
pub use patch_ops::{Bias, Cells, Fill, ParameterGrads, PatchGrads, PatchOps, Pixels, Projected};
