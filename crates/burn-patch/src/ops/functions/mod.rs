//! The operations on tensors.

mod gather_rows;
mod gelu;
mod patch_windows;
mod project_patches;

pub use gather_rows::gather_rows;
pub use gelu::gelu;
pub use patch_windows::{fold_windows, patch_windows};
pub use project_patches::{project_cells, project_patches};
