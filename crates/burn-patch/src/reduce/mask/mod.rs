//! Masks and dropout: tokens that are left out, and put back by a decoder.

pub(crate) mod any_mask;
pub(crate) mod block_mask;
pub(crate) mod grid_mask;
pub(crate) mod kept;
pub(crate) mod patch_dropout;
pub(crate) mod random_mask;

pub use any_mask::{AnyMask, AnyMaskConfig};
pub use block_mask::{BlockMask, BlockMaskConfig};
pub use grid_mask::{GridMask, GridMaskConfig};
pub use kept::MaskPlan;
pub use patch_dropout::{PatchDropout, PatchDropoutConfig};
pub use random_mask::{RandomMask, RandomMaskConfig};
