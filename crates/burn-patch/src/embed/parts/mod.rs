//! What several embeddings are made of.

pub(crate) mod conv_norm;
pub(crate) mod halvings;
pub(crate) mod normalization;
pub(crate) mod patch_norm;
pub(crate) mod projection;
pub(crate) mod remade;
pub(crate) mod steps;

pub use conv_norm::{ConvNorm, ConvStep};
pub use normalization::Normalization;
pub use patch_norm::PatchNorm;
