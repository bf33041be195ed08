//! Stacked convolutions as patch embedding.

pub(crate) mod activation;
pub(crate) mod conv_stem;
pub(crate) mod preset;

pub use activation::{StemActivation, StemEnd};
pub use conv_stem::{ConvStemPatchEmbed, ConvStemPatchEmbedConfig};
pub use preset::ConvStemPreset;
