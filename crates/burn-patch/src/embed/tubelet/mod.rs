//! Video patches, and how to turn image embeddings into video embeddings and back.

pub(crate) mod inflation;
pub(crate) mod tubelet;

pub use inflation::Inflation;
pub use tubelet::{TubeletPatchEmbed, TubeletPatchEmbedConfig, TubeletPreset};
