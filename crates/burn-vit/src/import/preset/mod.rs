//! Published architectures by timm's names.

mod preset;

pub use preset::Preset;
