//! Tokens to fewer tokens; whatever selects returns what is needed to restore.

mod catalogue;
mod mask;
mod merge;
mod pixel_unshuffle;
mod pool;
mod prune;
mod reduce;
mod weight;
mod whole_images;

pub use catalogue::*;
pub use mask::{AnyMask, AnyMaskConfig, MaskPlan};
pub use merge::MergeSchedule;
pub use pixel_unshuffle::{UnshuffleDialect, block_order};
pub use pool::{GruCell, QueryScale, SlotInit, TokenFuser, TokenFuserConfig, TokenPool};
pub use prune::KeepPredictor;
pub use reduce::{Reduce, Reduced, Seen, Sees};
