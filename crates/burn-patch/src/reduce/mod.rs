//! Tokens to fewer tokens; whatever selects returns what is needed to restore.

mod catalogue;
mod mask;
mod pixel_unshuffle;
mod pool;
mod reduce;

pub use catalogue::*;
pub use mask::MaskPlan;
pub use pixel_unshuffle::{UnshuffleDialect, block_order};
pub use pool::{GruCell, QueryScale, SlotInit, TokenFuser, TokenFuserConfig, TokenPool};
pub use reduce::{Reduce, Reduced, Seen, Sees};
