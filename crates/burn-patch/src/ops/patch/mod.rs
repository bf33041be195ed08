//! Patch projection and its parts.

pub(crate) mod composed;

mod byte_tensor;
mod images;
mod overlap_add;
mod patch_ops;
mod patch_windows;
mod project_patches;

pub use byte_tensor::byte_tensor;
pub use images::{Images, PixelOrder};
pub use overlap_add::overlap_add;
pub use patch_ops::{Bias, Cells, Fill, ParameterGrads, PatchGrads, PatchOps, Pixels, Projected};
pub use patch_windows::{fold_windows, patch_windows};
pub use project_patches::{project_cells, project_patches, project_pixels};
