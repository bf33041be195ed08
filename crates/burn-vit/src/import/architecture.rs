//! What a vision transformer is made of, in plain values.

use serde::{Deserialize, Serialize};

/// What stands in an MLP; the plain twin of [`burn_patch::layers::Activation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// The exact GELU.
    Gelu,
    /// GELU by the hyperbolic tangent.
    GeluTanh,
    /// `x·σ(1.702·x)`.
    QuickGelu,
    /// A gate by SiLU.
    SwiGlu,
}

/// Which of query, key and value have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Biases {
    /// All three.
    All,
    /// Query and value.
    NoKey,
    /// None.
    None,
}

/// What the head sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pool {
    /// The class token of normed tokens.
    Class,
    /// The class token, then a norm.
    ClassThenNorm,
    /// The mean of normed patch tokens.
    Mean,
    /// The mean of patch tokens, then a norm.
    MeanThenNorm,
    /// An attention pool.
    Attention,
}

/// Where tokens lie: what is added to them, and what attention knows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Places {
    /// Rows of a trained table for prefix tokens; none: no table.
    pub table: Option<usize>,
    /// Turned queries and keys.
    pub rotary: Option<Rotary>,
    /// A trained bias per offset in each block, with rows for the class token (BEiT).
    pub relative: bool,
}

/// Rotary positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Rotary {
    /// Fixed frequencies per axis, interleaved pairs (EVA-02, rope-vit axial).
    Axial {
        /// Base of the frequencies.
        base: f64,
        /// Grid that positions are scaled to; none: positions are cells.
        reference: Option<[usize; 2]>,
        /// Whether columns come before rows.
        columns_first: bool,
        /// Added to each position.
        offset: f64,
    },
    /// Trained frequencies per block and head (rope-vit mixed).
    Mixed {
        /// Base of the starting frequencies.
        base: f64,
    },
    /// Centres in [-1, 1] and half rotations (DINOv3).
    Dino {
        /// Base of the periods.
        base: f64,
    },
}

/// The decoder of a masked autoencoder.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decoder {
    /// Width of its tokens.
    pub dim: usize,
    /// Its blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width in its MLPs.
    pub hidden: usize,
    /// Share of the patches that the encoder does not see.
    pub mask_ratio: f64,
    /// Whether targets are normed by patch.
    pub normalized: bool,
}

/// What a vision transformer is made of: everything that fixes its parameters and what it computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Image `[height, width]` in pixels.
    pub image: [usize; 2],
    /// Patch `[height, width]` in pixels.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the tokens.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width in the MLPs, behind the activation.
    pub hidden: usize,
    /// What stands in the MLPs.
    pub activation: Act,
    /// Whether MLPs have a norm before their second layer.
    pub mlp_norm: bool,
    /// Biases of query, key and value.
    pub qkv_bias: Biases,
    /// Whether queries and keys are normed by head.
    pub qk_norm: bool,
    /// Whether residual branches are scaled.
    pub layer_scale: bool,
    /// Epsilon of the norms.
    pub epsilon: f64,
    /// Whether the patch projection has a bias.
    pub patch_bias: bool,
    /// Whether there is a norm before the blocks.
    pub pre_norm: bool,
    /// Whether there is a class token.
    pub class_token: bool,
    /// Whether there is a distillation token.
    pub distilled: bool,
    /// Whether a second classifier sees it; transformers' `DeiTForImageClassification` has the token alone.
    pub distilled_head: bool,
    /// Register tokens.
    pub registers: usize,
    /// Whether there is a mask token.
    pub mask_token: bool,
    /// Where tokens lie.
    pub places: Places,
    /// What the head sees.
    pub pooling: Pool,
    /// Classes; none: no classifier.
    pub classes: Option<usize>,
    /// The decoder of a masked autoencoder.
    pub decoder: Option<Decoder>,
}

impl Architecture {
    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.image[axis] / self.patch[axis].max(1))
    }

    /// Patches of an image.
    pub fn cells(&self) -> usize {
        self.grid()
            .iter()
            .fold(1, |product, side| product.saturating_mul(*side))
    }

    /// Tokens before the patches.
    pub fn prefix(&self) -> usize {
        usize::from(self.class_token) + usize::from(self.distilled) + self.registers
    }
}
