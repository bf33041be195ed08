//! Tokens to fewer tokens; whatever selects returns what is needed to restore.

mod mask;

pub use mask::{MaskPlan, RandomMask, Restore, uniform_noise};
