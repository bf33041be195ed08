//! What comes into an encoder and what it makes of that, without running it.

use burn_patch::grid::PatchGrid;
use burn_patch::tokens::PlaceKind;

use crate::encoder::count::Count;

/// What comes into an encoder, as far as it is known without an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderInput {
    /// The grid that the tokens come from.
    pub grid: PatchGrid,
    /// Where they lie.
    pub places: PlaceKind,
    /// Patch tokens per image.
    pub tokens: usize,
    /// Prefix tokens.
    pub prefix: usize,
    /// Width of the tokens.
    pub dim: usize,
}

impl EncoderInput {
    /// How many tokens come in.
    pub(crate) fn count(&self) -> Count {
        Count {
            tokens: self.tokens,
            grid: (self.places == PlaceKind::Cells).then_some(self.grid),
        }
    }
}

/// What an encoder makes of its input, without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderLayout {
    /// Patch tokens in the attention of each block.
    pub attended: Vec<usize>,
    /// Patch tokens that come out.
    pub tokens: usize,
    /// Where those lie.
    pub places: PlaceKind,
}
