//! Patches, then coarser levels one after another.

pub(crate) mod downsample;
pub(crate) mod merging;
pub(crate) mod pyramid;
pub(crate) mod regular;

pub use downsample::{
    ConvBatchNorm, ConvNextDownsample, Downsample, DownsampleConfig, DownsampleKind,
};
pub use merging::{MergeOrder, PatchMerging, PatchMergingConfig};
pub use pyramid::{PyramidLevel, PyramidPatchEmbed, PyramidPatchEmbedConfig, PyramidPreset};
