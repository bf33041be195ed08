//! Tokens to fewer tokens; whatever selects returns what is needed to restore.

mod catalogue;
mod mask;
mod pool;

pub use catalogue::*;
pub use mask::{MaskPlan, RandomMask, Restore, uniform_noise};
pub use pool::{GruCell, QueryScale, SlotInit, TokenFuser, TokenFuserConfig, TokenPool};
