//! The operations that carry every embedding, and where each backend implements them.
//!
//! [`functions`] are what modules call; [`PatchOps`], [`PatchGrads`] and [`GeluOps`] are what a backend
//! may override;
//! [`backends`] is the only place that names one.

#![allow(deprecated)] // NdArray and LibTorch are deprecated upstream and first-class here.

pub mod backends;
pub mod functions;

mod composed;
mod gelu_kernel;
mod gelu_ops;
mod patch_ops;

pub use functions::{
    fold_windows, gather_rows, gelu, patch_windows, project_cells, project_patches,
};
pub use gelu_ops::GeluOps;
pub use patch_ops::{Bias, Cells, ParameterGrads, PatchGrads, PatchOps};
