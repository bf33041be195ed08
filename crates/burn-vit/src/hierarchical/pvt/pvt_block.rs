//! A block of PVT v2.

use burn::module::Module;
use burn::tensor::Device;
use burn_patch::Tokens;
use burn_patch::layers::{LayerNorm, LayerNormConfig};

use crate::Error;
use crate::hierarchical::pvt::conv_mlp::ConvMlp;
use crate::hierarchical::pvt::spatial_reduction::SpatialReduction;
use crate::layers::{DropPath, DropPathConfig};

/// Epsilon of the blocks' and stages' norms.
pub(super) const EPSILON: f64 = 1e-6;

/// A transformer block with attention to a coarser grid and a convolution in its MLP.
///
/// Wang et al., [PVT v2](https://arxiv.org/abs/2106.13797); `timm/models/pvt_v2.py` (`Block`) of timm 1.0.31.
///
/// # Equation
///
/// `x ← x + drop(attn(norm1(x)))`, `x ← x + drop(mlp(norm2(x)))`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::PvtConfig;
///
/// let device = Device::flex();
/// let pvt = PvtConfig::new([8; 4], [1; 4], [1; 4]).init(&device);
/// let images = Tensor::<4>::zeros([1, 3, 64, 64], &device);
/// let tokens = pvt.patch_embed.forward_levels(images).remove(0);
/// assert_eq!(pvt.stages[0].blocks[0].forward(tokens).embeddings().dims(), [1, 256, 8]);
/// ```
#[derive(Module, Debug)]
pub struct PvtBlock {
    /// Before attention.
    pub norm1: LayerNorm,
    /// Attention.
    pub attn: SpatialReduction,
    /// Before the MLP.
    pub norm2: LayerNorm,
    /// MLP.
    pub mlp: ConvMlp,
    drop_path: DropPath,
}

/// Sizes of a block.
pub(super) struct Sizes {
    pub(super) dim: usize,
    pub(super) heads: usize,
    pub(super) ratio: usize,
    pub(super) mlp_ratio: usize,
}

impl PvtBlock {
    pub(super) fn try_init(sizes: &Sizes, drop_path: f64, device: &Device) -> Result<Self, Error> {
        let norm = || {
            let config = LayerNormConfig::new(sizes.dim);
            config.with_epsilon(EPSILON).init(device)
        };
        Ok(Self {
            norm1: norm(),
            attn: SpatialReduction::try_init([sizes.dim, sizes.heads], sizes.ratio, device)?,
            norm2: norm(),
            mlp: ConvMlp::init(sizes.dim, sizes.dim * sizes.mlp_ratio, device),
            drop_path: DropPathConfig::new(drop_path).try_init()?,
        })
    }

    /// Runs the block.
    ///
    /// # Panics
    ///
    /// If the tokens are not those of a whole grid.
    pub fn forward(&self, tokens: Tokens) -> Tokens {
        let normed = |norm: &LayerNorm, tokens: &Tokens| tokens.clone().map(|x| norm.forward(x));
        let branch = self.attn.forward(normed(&self.norm1, &tokens));
        let tokens = tokens.map(|x| x + self.drop_path.forward(branch));
        let branch = self.mlp.forward(normed(&self.norm2, &tokens));
        tokens.map(|x| x + self.drop_path.forward(branch))
    }
}
