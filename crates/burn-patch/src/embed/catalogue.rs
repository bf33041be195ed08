//! Every embedding in one list: a new variant is one file and one line here.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::PatchEmbed;
use super::conv_stem::{ConvStemPatchEmbed, ConvStemPatchEmbedConfig};
use super::dct::{DctPatchEmbed, DctPatchEmbedConfig};
use super::deformable::{DeformablePatchEmbed, DeformablePatchEmbedConfig};
use super::fourier::{FourierPatchEmbed, FourierPatchEmbedConfig};
use super::gated::{GatedPatchEmbed, GatedPatchEmbedConfig};
use super::hybrid::{AnyHybridPatchEmbed, HybridPatchEmbedConfig};
use super::linear::{LinearPatchEmbed, LinearPatchEmbedConfig};
use super::multires::{MultiresPatchEmbed, MultiresPatchEmbedConfig};
use super::overlap::{OverlapPatchEmbed, OverlapPatchEmbedConfig};
use super::pyramid::{PyramidPatchEmbed, PyramidPatchEmbedConfig};
use super::quadtree::{QuadtreePatchEmbed, QuadtreePatchEmbedConfig};
use super::t2t::{T2tPatchEmbed, T2tPatchEmbedConfig};
use super::tubelet::{TubeletPatchEmbed, TubeletPatchEmbedConfig};
use super::wavelet::{WaveletPatchEmbed, WaveletPatchEmbedConfig};
use crate::grid::PatchGrid;
use crate::ops::PixelOrder;
use crate::{Error, Tokens};

/// A line of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddingInfo {
    /// What command lines and reports call it.
    pub name: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
}

macro_rules! catalogue {
    ($($name:literal => $variant:ident($config:ident, $module:ident), $summary:literal;)*) => {
        /// Every embedding.
        pub const EMBEDDINGS: &[EmbeddingInfo] =
            &[$(EmbeddingInfo { name: $name, summary: $summary }),*];

        /// Configuration of an embedding chosen at run time.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub enum AnyPatchEmbedConfig {
            $(#[doc = $summary] $variant($config),)*
        }

        /// An embedding chosen at run time.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant)] // one per model; a box would be no Module
        pub enum AnyPatchEmbed {
            $(#[doc = $summary] $variant($module),)*
        }

        impl AnyPatchEmbedConfig {
            /// The embedding called `name` with its usual settings and one token per `stride`
            /// (`[vertical, horizontal]` in pixels); none if [`EMBEDDINGS`] has no such name.
            pub fn for_stride(name: &str, stride: [usize; 2], channels: usize, dim: usize) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant($config::for_stride(stride, channels, dim))),)*
                    _ => None,
                }
            }

            /// Builds the module.
            ///
            /// # Errors
            ///
            /// Those of the variant.
            pub fn try_init(&self, device: &Device) -> Result<AnyPatchEmbed, Error> {
                match self {
                    $(Self::$variant(config) => config.try_init(device).map(AnyPatchEmbed::$variant),)*
                }
            }

            /// Builds the module.
            ///
            /// # Panics
            ///
            /// With the text of [`try_init`](Self::try_init)'s error.
            pub fn init(&self, device: &Device) -> AnyPatchEmbed {
                self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
            }
        }

        impl PatchEmbed for AnyPatchEmbed {
            fn channels(&self) -> usize {
                match self { $(Self::$variant(embed) => embed.channels(),)* }
            }

            fn dim(&self) -> usize {
                match self { $(Self::$variant(embed) => embed.dim(),)* }
            }

            fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
                match self { $(Self::$variant(embed) => embed.layout(size),)* }
            }

            fn tokens(&self, size: [usize; 2]) -> Result<usize, Error> {
                match self { $(Self::$variant(embed) => embed.tokens(size),)* }
            }

            fn keeps_grid(&self) -> bool {
                match self { $(Self::$variant(embed) => embed.keeps_grid(),)* }
            }

            fn forward(&self, images: Tensor<4>) -> Tokens {
                match self { $(Self::$variant(embed) => embed.forward(images),)* }
            }

            fn forward_bytes(&self, bytes: Tensor<4, Int>, order: PixelOrder) -> Tokens {
                match self { $(Self::$variant(embed) => embed.forward_bytes(bytes, order),)* }
            }

            fn forward_visible(&self, images: Tensor<4>, cells: Tensor<2, Int>) -> Tokens {
                match self { $(Self::$variant(embed) => embed.forward_visible(images, cells),)* }
            }
        }
    };
}

catalogue! {
    "linear" => Linear(LinearPatchEmbedConfig, LinearPatchEmbed),
        "non-overlapping patches, one shared matrix (ViT)";
    "overlap" => Overlap(OverlapPatchEmbedConfig, OverlapPatchEmbed),
        "overlapping convolution and LayerNorm (PVTv2, SegFormer, CvT)";
    "deformable" => Deformable(DeformablePatchEmbedConfig, DeformablePatchEmbed),
        "predicted boxes, sampled bilinearly (DPT)";
    "multires" => Multires(MultiresPatchEmbedConfig, MultiresPatchEmbed),
        "grid, pyramid levels and crops through one projection, a learned embedding per scale";
    "tubelet" => Tubelet(TubeletPatchEmbedConfig, TubeletPatchEmbed),
        "3-D video patches; an image is a clip of equal frames (ViViT, VideoMAE, Qwen2-VL)";
    "dct" => Dct(DctPatchEmbedConfig, DctPatchEmbed),
        "cosine coefficients, low frequencies first (RGB-no-more)";
    "wavelet" => Wavelet(WaveletPatchEmbedConfig, WaveletPatchEmbed),
        "multi-level wavelet coefficients (Haar, Daubechies)";
    "fourier" => Fourier(FourierPatchEmbedConfig, FourierPatchEmbed),
        "Fourier coefficients, low and high frequencies mixed by a gate";
    "conv-stem" => ConvStem(ConvStemPatchEmbedConfig, ConvStemPatchEmbed),
        "stacked convolutions with batch norms (LeViT, ViT-C)";
    "hybrid" => Hybrid(HybridPatchEmbedConfig, AnyHybridPatchEmbed),
        "features of a convolutional network, projected (R+Ti, R26+S, R50+B, ConvNeXt stem)";
    "pyramid" => Pyramid(PyramidPatchEmbedConfig, PyramidPatchEmbed),
        "patches, then merging level by level (Swin, PVT, ConvNeXt)";
    "t2t" => T2t(T2tPatchEmbedConfig, T2tPatchEmbed),
        "overlapping splits with attention between them (Tokens-to-Token ViT)";
    "quadtree" => Quadtree(QuadtreePatchEmbedConfig, QuadtreePatchEmbed),
        "patches of several sizes, small where there is detail (Quadformer, APT)";
    "gated" => Gated(GatedPatchEmbedConfig, GatedPatchEmbed),
        "a learned choice of patch size per region (Gumbel-softmax)";
}
