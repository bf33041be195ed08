//! Features of a convolutional network as tokens.

pub(crate) mod any_backbone;
pub(crate) mod backbone;
pub(crate) mod convnext_stem;
pub(crate) mod hybrid;
pub(crate) mod resnet_v2;
pub(crate) mod resnet_v2_block;
pub(crate) mod std_conv;

pub use any_backbone::{AnyBackbone, AnyBackboneConfig};
pub use backbone::Backbone;
pub use convnext_stem::{ConvNextStem, ConvNextStemConfig};
pub use hybrid::{AnyHybridPatchEmbed, HybridPatchEmbed, HybridPatchEmbedConfig, HybridPreset};
pub use resnet_v2::{ResNetV2, ResNetV2Config};
pub use resnet_v2_block::{Bottleneck, ResNetStage, ResNetStem, Shortcut, StemPool};
pub use std_conv::WeightStandardization;
