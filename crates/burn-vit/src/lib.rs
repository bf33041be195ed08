//! A small vision transformer and masked autoencoder on [`burn_patch`] tokens.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_patch::embed::LinearPatchEmbedConfig;
//! use burn_vit::VitConfig;
//!
//! let device = Device::flex();
//! let embed = LinearPatchEmbedConfig::new([4, 4], 1, 64).init(&device);
//! let vit = VitConfig::new([28, 28], 4, 4).with_classes(Some(10)).init(embed, &device);
//! let logits = vit.forward(Tensor::zeros([2, 1, 28, 28], &device));
//! assert_eq!(logits.dims(), [2, 10]);
//! ```
#![warn(clippy::print_stdout)]

pub mod layers;

mod error;
mod mae;
mod vit;

pub use error::Error;
pub use mae::{Mae, MaeConfig, MaeOutput, ReconstructedPatches, Target};
pub use vit::{ClassToken, Pooling, Position, ReduceAt, Vit, VitConfig};
