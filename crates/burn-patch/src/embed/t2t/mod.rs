//! Overlapping splits with attention between them.

pub(crate) mod block;
pub(crate) mod t2t;

pub use block::{T2tAttention, T2tBlock, T2tBlockKind, TokenPerformer, TokenTransformer};
pub use t2t::{SoftSplit, T2tPatchEmbed, T2tPatchEmbedConfig, T2tPreset};
