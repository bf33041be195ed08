//! Every embedding in one list: a new one is a file, its `mod` line and a line here.

use burn::tensor::{Int, Tensor};

use crate::catalogue::catalogue;
use crate::embed::patch_embed::PatchEmbed;
use crate::grid::PatchGrid;
use crate::ops::Images;
use crate::resample::channels::ChannelMap;
use crate::resample::filter::Filter;
use crate::tokens::PlaceKind;
use crate::{Error, Tokens};

catalogue! {
    /// Every embedding.
    list EMBEDDINGS;
    /// Configuration of an embedding chosen at run time.
    config AnyPatchEmbedConfig;
    /// An embedding chosen at run time.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::embed::{AnyPatchEmbedConfig, EMBEDDINGS, PatchEmbed};
    ///
    /// let device = Device::flex();
    /// let embed = AnyPatchEmbedConfig::for_stride(EMBEDDINGS[0].name, [4, 4], 3, 16).unwrap().init(&device);
    /// assert_eq!(embed.forward(Tensor::zeros([1, 3, 8, 12], &device)).embeddings().dims(), [1, 6, 16]);
    /// ```
    module AnyPatchEmbed;
    /// The embedding called `name` with its usual settings and one token per `stride`
    /// (`[vertical, horizontal]` in pixels); none if [`EMBEDDINGS`] has no such name.
    named for_stride = for_stride(stride: [usize; 2], channels: usize, dim: usize);
    init();
    trait PatchEmbed {
        fn channels(&self) -> usize;
        fn dim(&self) -> usize;
        fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error>;
        fn tokens(&self, size: [usize; 2]) -> Result<usize, Error>;
        fn places(&self) -> PlaceKind;
        fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens;
        remake with_patch_size_by(self, patch: [usize; 2], filter: Filter);
        remake with_channels(self, map: &ChannelMap);
    }
    "linear" => linear: Linear(LinearPatchEmbedConfig, LinearPatchEmbed),
        "non-overlapping patches, one shared matrix (ViT)";
    "overlap" => overlap: Overlap(OverlapPatchEmbedConfig, OverlapPatchEmbed),
        "overlapping convolution and LayerNorm (PVTv2, SegFormer, CvT)";
    "deformable" => deformable: Deformable(DeformablePatchEmbedConfig, DeformablePatchEmbed),
        "predicted boxes, sampled bilinearly (DPT)";
    "multires" => multires: Multires(MultiresPatchEmbedConfig, MultiresPatchEmbed),
        "grid, pyramid levels and crops through one projection, a learned embedding per scale";
    "tubelet" => tubelet: Tubelet(TubeletPatchEmbedConfig, TubeletPatchEmbed),
        "3-D video patches; an image is a clip of equal frames (ViViT, VideoMAE, Qwen2-VL)";
    "dct" => spectral: Dct(DctPatchEmbedConfig, DctPatchEmbed),
        "cosine coefficients, low frequencies first (RGB-no-more)";
    "wavelet" => spectral: Wavelet(WaveletPatchEmbedConfig, WaveletPatchEmbed),
        "multi-level wavelet coefficients (Haar, Daubechies)";
    "fourier" => spectral: Fourier(FourierPatchEmbedConfig, FourierPatchEmbed),
        "Fourier coefficients, low and high frequencies mixed by a gate";
    "conv-stem" => conv_stem: ConvStem(ConvStemPatchEmbedConfig, ConvStemPatchEmbed),
        "stacked convolutions with batch norms (LeViT, ViT-C)";
    "hybrid" => hybrid: Hybrid(HybridPatchEmbedConfig, AnyHybridPatchEmbed),
        "features of a convolutional network, projected (R+Ti, R26+S, R50+B, ConvNeXt stem)";
    "pyramid" => pyramid: Pyramid(PyramidPatchEmbedConfig, PyramidPatchEmbed),
        "patches, then merging level by level (Swin, PVT, ConvNeXt)";
    "t2t" => t2t: T2t(T2tPatchEmbedConfig, T2tPatchEmbed),
        "overlapping splits with attention between them (Tokens-to-Token ViT)";
    "quadtree" => adaptive: Quadtree(QuadtreePatchEmbedConfig, QuadtreePatchEmbed),
        "patches of several sizes, small where there is detail (Quadformer, APT)";
    "gated" => adaptive: Gated(GatedPatchEmbedConfig, GatedPatchEmbed),
        "a learned choice of patch size per region (Gumbel-softmax)";
}
