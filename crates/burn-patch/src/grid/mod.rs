//! Integer geometry of windows over an image. No tensors.

mod nonzero;
mod patch_grid;
mod window;

pub(crate) use nonzero::nonzero;
pub use patch_grid::PatchGrid;
pub use window::{Remainder, Window};
