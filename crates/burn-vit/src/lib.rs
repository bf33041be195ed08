//! A small vision transformer and masked autoencoder on [`burn_patch`] tokens.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_patch::embed::LinearPatchEmbedConfig;
//! use burn_vit::{EncoderConfig, HeadConfig, VitConfig};
//!
//! let device = Device::flex();
//! let embed = LinearPatchEmbedConfig::new([4, 4], 1, 64).init(&device);
//! let vit = VitConfig::new([28, 28], EncoderConfig::new(4, 4))
//!     .with_head(HeadConfig::classes(10))
//!     .init(embed, &device);
//! let logits = vit.forward(Tensor::zeros([2, 1, 28, 28], &device));
//! assert_eq!(logits.dims(), [2, 10]);
//! ```
#![warn(clippy::print_stdout)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod import;
pub mod layers;

mod encoder;
mod error;
#[cfg(feature = "optim")]
mod groups;
mod head;
mod hierarchical;
mod mae;
mod many;
mod masked;
mod prefix;
mod reduce_at;
mod setters;
mod vit;
mod vit_config;

pub use encoder::{Encoded, Encoder, EncoderConfig, EncoderInput, EncoderLayout, Taps};
pub use error::Error;
#[cfg(feature = "optim")]
pub use groups::{GroupedParam, Layered, ParamGroups};
pub use head::{AttentionPool, AttentionPoolConfig, Head, HeadConfig, Pooling};
pub use hierarchical::{
    ConvMlp, Pvt, PvtBlock, PvtConfig, PvtPreset, PvtStage, SpatialReduction, Swin, SwinBlock,
    SwinConfig, SwinPreset, SwinStage, SwinVersion,
};
pub use mae::{Mae, MaeConfig, MaeOutput, ReconstructedPatches, Target};
pub use prefix::{Prefix, PrefixConfig};
pub use reduce_at::{ReduceAt, Stage};
pub use vit::{Vit, VitLayout};
pub use vit_config::VitConfig;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
