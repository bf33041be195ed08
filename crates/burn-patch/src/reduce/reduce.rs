//! What every reducer is.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::grid::PatchGrid;
use crate::or_panic::OrPanic;
use crate::tokens::{PlaceKind, Reach, Restore};
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

impl Seen {
    /// The keys, for `what`.
    ///
    /// # Errors
    ///
    /// [`Error::Unseen`] if it is something else.
    pub fn keys(self, what: &'static str) -> Result<Tensor<3>, Error> {
        let got = match self {
            Self::Keys(keys) => return Ok(keys),
            Self::Tokens => "tokens alone",
            Self::ClassScores(_) => "class scores",
        };
        let expected = "the attention's keys";
        Err(Error::Unseen {
            what,
            expected,
            got,
        })
    }

    /// The class scores, for `what`.
    ///
    /// # Errors
    ///
    /// [`Error::Unseen`] if it is something else.
    pub fn class_scores(self, what: &'static str) -> Result<Tensor<2>, Error> {
        let got = match self {
            Self::ClassScores(scores) => return Ok(scores),
            Self::Tokens => "tokens alone",
            Self::Keys(_) => "keys",
        };
        let expected = "the class token's attention";
        Err(Error::Unseen {
            what,
            expected,
            got,
        })
    }
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

    /// The tokens as they are, each leading back to itself.
    pub(crate) fn unchanged(tokens: Tokens) -> Self {
        Self {
            restore: Some(Restore::unchanged(&tokens)),
            ..Self::for_good(tokens)
        }
    }
}

/// Panics for tokens of several images in one row, with the text of [`Error::Packed`].
#[track_caller]
pub(crate) fn expect_unpacked(what: &'static str, tokens: &Tokens) {
    match tokens.reach() {
        Reach::Segments { .. } => Err(Error::Packed { what }),
        Reach::All | Reach::Valid(_) => Ok(()),
    }
    .or_panic();
}

/// A module that turns tokens into fewer: it drops, masks, merges or pools them. The prefix stays in front.
///
/// Noise handed in means training, [`Noise::None`] prediction. Most reducers do the same in both; those that do not say
/// so by [`output_with_noise`](Self::output_with_noise). Those that cannot do without noise (masks) panic for want of it.
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

    /// As [`output`](Self::output), where there is noise: a [`PatchDropout`](crate::reduce::PatchDropout) drops only then,
    /// and a [`DynamicVit`](crate::reduce::DynamicVit) keeps every token then.
    ///
    /// # Errors
    ///
    /// Those of [`output`](Self::output).
    fn output_with_noise(&self, tokens: usize, block: usize) -> Result<usize, Error> {
        self.output(tokens, block)
    }

    /// Whether later attention is to weigh each token as often as the patches that it stands for (ToMe's proportional
    /// attention).
    fn proportional(&self) -> bool {
        false
    }

    /// Where the tokens that it gives lie, with noise or without whichever is less regular, for tokens at places of kind `places`.
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
