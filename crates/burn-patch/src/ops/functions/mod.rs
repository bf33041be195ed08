//! The operations on tensors.

mod attention;
mod gather_rows;
mod gelu;
mod images;
mod layer_norm;
mod linear;
mod overlap_add;
mod patch_windows;
mod project_patches;

pub use attention::attention;
pub use gather_rows::gather_rows;
pub use gelu::gelu;
pub use images::{Images, PixelOrder};
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use overlap_add::overlap_add;
pub use patch_windows::{fold_windows, patch_windows};
pub use project_patches::{project_cells, project_patches, project_pixels};
