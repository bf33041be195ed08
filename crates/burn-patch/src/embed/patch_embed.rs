//! What every embedding is.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Int, Tensor};

use crate::grid::PatchGrid;
use crate::ops::{Images, PixelOrder};
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// A module that turns images `[batch, channels, height, width]` into tokens. It adds no positions.
pub trait PatchEmbed: Module + ModuleDisplay {
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
    #[track_caller]
    fn forward(&self, images: Tensor<4>) -> Tokens;

    /// Embeds what a decoder gives: bytes, or other integers, in `order`. They are taken as the numbers that they
    /// are, `0..255`: the embedding must expect those, as after `fold_normalization` with
    /// [`Normalization::for_bytes`](crate::embed::Normalization::for_bytes).
    ///
    /// A variant that can, reads the bytes without making pictures of floats.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_bytes(&self, bytes: Tensor<4, Int>, order: PixelOrder) -> Tokens {
        let device = bytes.device();
        let dtype = Tensor::<1>::empty([0], &device).dtype();
        self.forward(Images::Bytes(bytes, order).into_floats(dtype))
    }

    /// Embeds only the cells `[batch, kept]` of the grid, or, off the grid, the tokens of that index.
    ///
    /// The same tokens as `forward(images).select(cells)`; a variant that can, projects those alone.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    #[track_caller]
    fn forward_visible(&self, images: Tensor<4>, cells: Tensor<2, Int>) -> Tokens {
        self.forward(images).select(cells)
    }
}

/// The layout of `images`, or a panic with the error's text.
#[track_caller]
pub(crate) fn expect_layout(embed: &impl PatchEmbed, images: &Tensor<4>) -> PatchGrid {
    expect_layout_of(embed, images.dims())
}

/// The layout of images `[batch, channels, height, width]`, or a panic with the error's text.
#[track_caller]
pub(crate) fn expect_layout_of(
    embed: &impl PatchEmbed,
    [_, channels, height, width]: [usize; 4],
) -> PatchGrid {
    check_channels(embed.channels(), channels)
        .and_then(|()| embed.layout([height, width]))
        .or_panic()
}

pub(crate) fn check_channels(expected: usize, got: usize) -> Result<(), Error> {
    if expected != got {
        return Err(Error::Channels { expected, got });
    }
    Ok(())
}
