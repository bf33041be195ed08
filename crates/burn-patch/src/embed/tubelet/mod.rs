//! Video patches, and what leads between them and image patches.

pub(crate) mod inflation;
pub(crate) mod tubelet;

pub use inflation::Inflation;
pub use tubelet::{TubeletPatchEmbed, TubeletPatchEmbedConfig, TubeletPreset};
