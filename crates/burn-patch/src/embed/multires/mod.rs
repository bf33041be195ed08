//! Several scales and crops through one projection.

pub(crate) mod crop;
pub(crate) mod multires;

pub use crop::{CropBox, random_crops};
pub use multires::{MultiresPatchEmbed, MultiresPatchEmbedConfig};
