//! Attention to fewer keys.

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed, PatchNorm};
use burn_patch::grid::Remainder;
use burn_patch::layers::{NORMAL, apply, linear};
use burn_patch::ops::{AttentionOptions, Qkv, attention};

use crate::Error;
use crate::layers::check_heads;

/// Attention whose keys and values come from a coarser grid: non-overlapping patches of the tokens' map.
///
/// Wang et al., [Pyramid Vision Transformer](https://arxiv.org/abs/2102.12122), section 3.3;
/// `timm/models/pvt_v2.py` (`Attention`) of timm 1.0.31.
///
/// # Shapes
///
/// - tokens of a whole grid, `[batch, rows·cols, dim]`; result `[batch, rows·cols, dim]`
///
/// # Equation
///
/// `softmax(Q·K(x̂)ᵀ/√(dim/heads))·V(x̂)`, then `proj`; `x̂ = LN(conv(x))`, one token per `ratio × ratio` cells, those that
/// are left at the bottom and right unread. The cost is `rows²·cols²/ratio²`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::PvtConfig;
///
/// let device = Device::flex();
/// let pvt = PvtConfig::new([8; 4], [1; 4], [1; 4]).init(&device);
/// let images = Tensor::<4>::zeros([1, 3, 64, 64], &device);
/// let tokens = pvt.patch_embed.forward_levels(images).remove(0);
/// assert_eq!(pvt.stages[0].blocks[0].attn.forward(tokens).dims(), [1, 256, 8]);
/// ```
#[derive(Module, Debug)]
pub struct SpatialReduction {
    /// Queries, `dim → dim`.
    pub q: Linear,
    /// Keys and values, `dim → 2·dim`.
    pub kv: Linear,
    /// Output projection.
    pub proj: Linear,
    /// What makes the grid coarser; none for a ratio of 1.
    pub sr: Option<LinearPatchEmbed>,
    heads: usize,
}

impl SpatialReduction {
    pub(super) fn try_init(
        [dim, heads]: [usize; 2],
        ratio: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        check_heads(dim, heads)?;
        let linear = |output| linear([dim, output], NORMAL, Some(Initializer::Zeros), device);
        let coarser = || {
            LinearPatchEmbedConfig::new([ratio; 2], dim, dim)
                .with_norm(PatchNorm::LAYER)
                .with_remainder(Remainder::Floor)
                .try_init(device)
        };
        Ok(Self {
            q: linear(dim),
            kv: linear(2 * dim),
            proj: linear(dim),
            sr: (ratio > 1).then(coarser).transpose()?,
            heads,
        })
    }

    /// Attends.
    ///
    /// # Panics
    ///
    /// If the tokens are not those of a whole grid, or the grid is smaller than the ratio.
    pub fn forward(&self, tokens: Tokens) -> Tensor<3> {
        let x = tokens.embeddings();
        let coarse = match &self.sr {
            None => x.clone(),
            Some(sr) => {
                let map = tokens.to_feature_map().expect("tokens of a whole grid");
                sr.forward(map).into_embeddings()
            }
        };
        let [_, _, dim] = x.dims();
        let kv = apply(&self.kv, coarse);
        let qkv = Qkv::Apart {
            query: apply(&self.q, x),
            key: kv.clone().slice_dim(2, ..dim),
            value: kv.slice_dim(2, dim..),
        };
        let context = attention(qkv, AttentionOptions::new(self.heads));
        apply(&self.proj, context)
    }
}
