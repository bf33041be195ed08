//! Images in, tokens out: patch embeddings as [Burn](https://burn.dev) modules on one token type.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
//! use burn_patch::position::{LearnedPositionConfig, Position, Site};
//!
//! let device = Device::flex();
//! let embed = LinearPatchEmbedConfig::new([16, 16], 3, 192).init(&device);
//! let position = LearnedPositionConfig::new().init(&Site::new([14, 14], 192), &device);
//!
//! let tokens = position.add(embed.forward(Tensor::zeros([2, 3, 224, 224], &device)), 0);
//! assert_eq!(tokens.embeddings().dims(), [2, 196, 192]);
//! assert_eq!(tokens.grid().center_px(0, 1), [8.0, 24.0]);
//! ```
//!
//! Modules name no backend: a [`Device`](burn::tensor::Device) says where they run, and cargo
//! features (`flex`, `ndarray`, `wgpu`, `tch`, `cuda`) say which backends are compiled in.
#![warn(clippy::print_stdout)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod catalogue;
pub mod embed;
pub mod grid;
pub mod layers;
pub mod ops;
pub mod pack;
pub mod position;
pub mod reduce;
pub mod resample;
pub mod tokens;

mod error;
mod noise;
mod or_panic;

pub use catalogue::CatalogueEntry;
pub use error::Error;
pub use noise::Noise;
#[doc(hidden)]
pub use or_panic::OrPanic;
pub use tokens::Tokens;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
