//! What every reducer is.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::grid::PatchGrid;
use crate::tokens::{PlaceKind, Restore};
use crate::{Error, Noise, Tokens};

/// What a reducer must see of the block that it stands in, besides the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// Nothing: it may stand before a block.
    Tokens,
    /// The attention's keys, the mean over its heads (ToMe).
    Keys,
    /// The class token's attention to the patch tokens, the mean over the heads (EViT).
    ClassScores,
}

/// What a reducer [sees](Sees).
#[derive(Debug, Clone)]
pub enum Seen {
    /// Nothing besides the tokens.
    Tokens,
    /// Keys of the patch tokens, `[batch, tokens, width]`.
    Keys(Tensor<3>),
    /// Attention weights of the patch tokens, `[batch, tokens]`.
    ClassScores(Tensor<2>),
}

/// What a reducer gives.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// The tokens that are left or made.
    pub tokens: Tokens,
    /// The way back; none where tokens were mixed beyond it.
    pub restore: Option<Restore>,
    /// A score per token that it took, `[batch, tokens]`, where it has some: for losses and pictures.
    pub scores: Option<Tensor<2>>,
    /// Where tokens are sums of those that it took, the weights, `[batch, tokens out, tokens in]`.
    pub weights: Option<Tensor<3>>,
}

impl Reduced {
    /// Tokens that nothing leads back from.
    pub fn for_good(tokens: Tokens) -> Self {
        Self {
            tokens,
            restore: None,
            scores: None,
            weights: None,
        }
    }
}

/// A module that turns tokens into fewer: it drops, masks, merges or pools them. The prefix stays in front.
pub trait Reduce: Module {
    /// What it must see besides the tokens; [`Sees::Tokens`] for one that may stand before a block.
    fn sees(&self) -> Sees {
        Sees::Tokens
    }

    /// Width of the tokens that it gives for tokens of width `dim`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if it takes another width.
    fn width(&self, dim: usize) -> Result<usize, Error> {
        Ok(dim)
    }

    /// How many patch tokens it gives for `tokens` of them in block `block`, from 0.
    ///
    /// # Errors
    ///
    /// If it cannot reduce that many.
    fn output(&self, tokens: usize, block: usize) -> Result<usize, Error>;

    /// Where the tokens that it gives lie, for tokens at places of kind `places`.
    ///
    /// # Errors
    ///
    /// [`Error::Irregular`] if it needs the whole grid.
    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error>;

    /// The grid of the tokens that it gives for all cells of `grid`, where those are all cells of a grid again: `grid`
    /// itself, unless it makes a coarser one.
    ///
    /// # Errors
    ///
    /// If it cannot reduce that grid.
    fn grid(&self, grid: &PatchGrid) -> Result<PatchGrid, Error> {
        Ok(*grid)
    }

    /// How many values of noise it needs for a batch of images with `tokens` patch tokens each.
    fn noise(&self, batch: usize, tokens: usize) -> usize {
        let _ = (batch, tokens);
        0
    }

    /// Reduces the tokens.
    ///
    /// # Panics
    ///
    /// With the text of an error of the methods above, if `seen` is not what it [sees](Self::sees), or if `noise` has
    /// too few values.
    #[track_caller]
    fn reduce(&self, tokens: Tokens, seen: Seen, block: usize, noise: &mut Noise<'_>) -> Reduced;
}
