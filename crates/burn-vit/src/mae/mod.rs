//! The masked autoencoder.

mod mae;
mod mae_config;
mod masked_loss;
mod patch_statistics;
mod reconstructed_patches;
mod target;

pub use mae::{Mae, MaeOutput};
pub use mae_config::MaeConfig;
pub use reconstructed_patches::ReconstructedPatches;
pub use target::Target;
