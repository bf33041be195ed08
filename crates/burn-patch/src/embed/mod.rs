//! Images to tokens: one file or folder per variant, and the catalogue of them all.

mod adaptive;
mod catalogue;
mod conv_stem;
mod deformable;
mod hybrid;
mod linear;
mod multires;
mod overlap;
mod parts;
mod patch_embed;
mod patchify;
mod pyramid;
mod signal;
mod spectral;
mod t2t;
mod tubelet;

pub use adaptive::{
    Decay, QuadtreePreset, RoutedTokens, Routing, Saliency, Selection, Shrink, TemperatureSchedule,
};
pub use catalogue::*;
pub use conv_stem::{ConvStemPreset, StemActivation, StemEnd};
pub use deformable::{BoxCoder, DeformablePreset};
pub use hybrid::{
    AnyBackbone, AnyBackboneConfig, Backbone, Bottleneck, ConvNextStem, ConvNextStemConfig,
    HybridPatchEmbed, HybridPreset, ResNetStage, ResNetStem, ResNetV2, ResNetV2Config, Shortcut,
    StemPool, WeightStandardization,
};
pub use multires::{CropBox, random_crops};
pub use overlap::OverlapPreset;
pub use parts::{ConvNorm, ConvStep, Normalization, PatchNorm};
pub use patch_embed::PatchEmbed;
pub use patchify::{FlatOrder, patchify, unpatchify};
pub use pyramid::{
    ConvBatchNorm, ConvNextDownsample, Downsample, DownsampleConfig, DownsampleKind, MergeOrder,
    PatchMerging, PatchMergingConfig, PyramidLevel, PyramidPreset,
};
pub use signal::{SignalPatchEmbed, SignalPatchEmbedConfig};
pub use spectral::{
    Bands, DctLayout, DctPreset, FeatureStatistics, FourierBand, Frequencies, GlobalFilter,
    GlobalFilterConfig, HighBand, Spectrum, Wavelet, WaveletDomain,
};
pub use t2t::{
    SoftSplit, T2tAttention, T2tBlock, T2tBlockKind, T2tPreset, TokenPerformer, TokenTransformer,
};
pub use tubelet::{Inflation, TubeletPreset};
