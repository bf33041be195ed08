//! Images to tokens: one file per variant, and the catalogue of them all.

mod catalogue;
mod flat_order;
mod forest;
mod gated;
mod linear;
mod overlap;
mod patch_norm;
mod pick;
mod projection;
mod quadtree;
mod regions;
mod router;
mod saliency;

use burn::tensor::{Int, Tensor};

pub use catalogue::{AnyPatchEmbed, AnyPatchEmbedConfig, EMBEDDINGS, EmbeddingInfo};
pub use flat_order::{FlatOrder, patchify, unpatchify};
pub use gated::{GatedPatchEmbed, GatedPatchEmbedConfig, RoutedTokens};
pub use linear::{LinearPatchEmbed, LinearPatchEmbedConfig};
pub use overlap::{OverlapPatchEmbed, OverlapPatchEmbedConfig, OverlapPreset};
pub use patch_norm::PatchNorm;
pub use quadtree::{
    QuadtreePatchEmbed, QuadtreePatchEmbedConfig, QuadtreePreset, Selection, Shrink,
};
pub use router::{Decay, Router, Routing, TemperatureSchedule};
pub use saliency::Saliency;

use crate::grid::PatchGrid;
use crate::{Error, Tokens};

/// A module that turns images `[batch, channels, height, width]` into tokens. It adds no positions.
pub trait PatchEmbed {
    /// Channels of the images.
    fn channels(&self) -> usize;

    /// Width of the embeddings.
    fn dim(&self) -> usize;

    /// The grid that [`forward`](Self::forward) gives for images of `size` (`[height, width]` in
    /// pixels), without running it. Where tokens [lie off the grid](Self::keeps_grid), it is the finest grid
    /// that they may take their places from.
    ///
    /// # Errors
    ///
    /// If it cannot embed such images.
    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error>;

    /// How many tokens [`forward`](Self::forward) gives per image of `size`, padding included.
    ///
    /// # Errors
    ///
    /// Those of [`layout`](Self::layout).
    fn tokens(&self, size: [usize; 2]) -> Result<usize, Error> {
        Ok(self.layout(size)?.tokens())
    }

    /// Whether there is one token per cell of the grid, in row-major order, whatever the image: a feature map,
    /// which an MAE can mask and restore.
    fn keeps_grid(&self) -> bool {
        true
    }

    /// Embeds images.
    ///
    /// # Panics
    ///
    /// With the text of [`layout`](Self::layout)'s error, or if the channels differ.
    fn forward(&self, images: Tensor<4>) -> Tokens;

    /// Embeds only the cells `[batch, kept]` of the grid, or, off the grid, the tokens of that index.
    ///
    /// The same tokens as `forward(images).select(cells)`; a variant that can, projects those alone.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    fn forward_visible(&self, images: Tensor<4>, cells: Tensor<2, Int>) -> Tokens {
        self.forward(images).select(cells)
    }
}

/// The layout of `images`, or a panic with the error's text.
fn expect_layout(embed: &impl PatchEmbed, images: &Tensor<4>) -> PatchGrid {
    let [_, channels, height, width] = images.dims();
    check_channels(embed.channels(), channels)
        .and_then(|()| embed.layout([height, width]))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn check_channels(expected: usize, got: usize) -> Result<(), Error> {
    if expected != got {
        return Err(Error::Channels { expected, got });
    }
    Ok(())
}
