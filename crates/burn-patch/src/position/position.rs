//! What every position encoding is.

use burn::module::Module;

use crate::tokens::{Attend, Layout, PlaceKind};
use crate::{Error, Noise, Tokens};

/// A module that tells tokens, or the attention between them, where they lie.
///
/// Encodings that are added to tokens implement [`add`](Self::add), those that act within attention
/// [`attend`](Self::attend). A new one implements one of them and [`check`](Self::check).
pub trait Position: Module {
    /// Says whether this encoding can place such tokens.
    ///
    /// # Errors
    ///
    /// One that names what it cannot place: another grid, tokens off the grid, too few prefix tokens.
    fn check(&self, layout: &Layout, places: PlaceKind, prefix: usize) -> Result<(), Error>;

    /// Whether [`add`](Self::add) tells tokens their places before block `before_block`, which then must be such as
    /// [`check`](Self::check) takes.
    fn adds(&self, before_block: usize) -> bool {
        before_block == 0
    }

    /// Whether [`attend`](Self::attend) tells attention anything, in which case the tokens of every block must be such as
    /// [`check`](Self::check) takes.
    fn attends(&self) -> bool {
        false
    }

    /// What is added to the tokens before block `before_block`, from 0.
    ///
    /// # Panics
    ///
    /// With the text of [`check`](Self::check)'s error, or if the width differs.
    #[track_caller]
    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        let _ = before_block;
        tokens
    }

    /// What attention in block `block` must know of the places.
    ///
    /// # Panics
    ///
    /// With the text of [`check`](Self::check)'s error, or if `noise` has too few values for an encoding that draws.
    #[track_caller]
    fn attend(&self, tokens: &Tokens, block: usize, noise: &mut Noise<'_>) -> Attend {
        let _ = (tokens, block, noise);
        Attend::default()
    }

    /// How many values of noise one call of [`attend`](Self::attend) needs for a batch of images with `tokens` patch
    /// tokens each. An encoding that draws in training alone needs none at inference; like DropPath, it trains on an
    /// autodiff device until `valid` or `freeze`.
    fn noise(&self, batch: usize, tokens: usize) -> usize {
        let _ = (batch, tokens);
        0
    }

    /// Whether images that it placed may be [packed](crate::pack): what [`attend`](Self::attend) says of a pack must then
    /// be what it says of each image, and nothing of tokens [without a place](Tokens::placed). What it adds before the
    /// first block is added before images are packed.
    fn packs(&self) -> bool {
        false
    }

    /// Whether [`attend`](Self::attend) differs from block to block; where it does not, it is asked again only where
    /// the tokens changed.
    fn per_block(&self) -> bool {
        false
    }
}
