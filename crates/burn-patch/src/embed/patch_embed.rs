//! What every embedding is.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Int, Tensor};

use crate::embed::parts::remade::refuse;
use crate::grid::PatchGrid;
use crate::ops::{Images, PixelOrder};
use crate::or_panic::OrPanic;
use crate::resample::channels::ChannelMap;
use crate::resample::filter::Filter;
use crate::tokens::PlaceKind;
use crate::{Error, Tokens};

/// A module that turns images `[batch, channels, height, width]` into tokens. It adds no positions.
pub trait PatchEmbed: Module + ModuleDisplay {
    /// Channels of the images.
    fn channels(&self) -> usize;

    /// Width of the embeddings.
    fn dim(&self) -> usize;

    /// The grid that [`forward`](Self::forward) gives for images of `size` (`[height, width]` in
    /// pixels), without running it. Where tokens [lie off the grid](Self::places), it is the finest grid
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

    /// Where the tokens of [`forward`](Self::forward) lie, whatever the image: one per cell of the grid in row-major
    /// order, a feature map which an MAE can mask and restore; or boxes off the grid.
    fn places(&self) -> PlaceKind {
        PlaceKind::Cells
    }

    /// Embeds images, numbers or bytes: the whole grid, or the cells `[batch, kept]` of it alone. Off the grid `cells`
    /// are indices of tokens.
    ///
    /// Bytes are taken as the numbers that they are, `0..255`: the embedding must expect those, as after
    /// `fold_normalization` with [`Normalization::for_bytes`](crate::embed::Normalization::for_bytes).
    ///
    /// A variant whose first step projects windows of the image reads bytes without making a picture of floats, and
    /// one whose last step is a projection of each token projects the given cells alone. The others make floats, or
    /// all tokens and select.
    ///
    /// # Panics
    ///
    /// With the text of [`layout`](Self::layout)'s error, or if the channels differ.
    #[track_caller]
    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens;

    /// The same embedding for patches of `patch` (`[height, width]` in pixels), from trained weights: FlexiViT's resize
    /// by the [cubic smoothing filter](Filter::SmoothCubic), timm's default. An image enlarged as the patches are keeps
    /// its tokens.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed, T2tPatchEmbedConfig};
    ///
    /// let device = Device::flex();
    /// let embed = LinearPatchEmbedConfig::new([16, 16], 3, 8).init(&device);
    /// let embed = embed.with_patch_size([12, 20]).unwrap();
    /// let tokens = embed.forward(Tensor::zeros([1, 3, 24, 40], &device));
    /// assert_eq!(tokens.embeddings().dims(), [1, 4, 8]);
    ///
    /// let stacked = T2tPatchEmbedConfig::for_stride([16, 16], 3, 8).init(&device);
    /// assert!(stacked.with_patch_size([12, 20]).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_patch_size_by`](Self::with_patch_size_by).
    fn with_patch_size(self, patch: [usize; 2]) -> Result<Self, Error> {
        self.with_patch_size_by(patch, Filter::SmoothCubic)
    }

    /// As [`with_patch_size`](Self::with_patch_size) by the filter that the weights were trained for: see
    /// [`resize_kernel`](crate::resample::resize_kernel).
    ///
    /// # Errors
    ///
    /// [`Error::NoProjection`] for an embedding that is no projection of patches, [`Error::Zero`] for an empty patch.
    fn with_patch_size_by(self, patch: [usize; 2], filter: Filter) -> Result<Self, Error> {
        let _ = (patch, filter);
        Err(refuse::<Self>("patch"))
    }

    /// The same embedding for images of other channels, from trained weights.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
    /// use burn_patch::resample::ChannelMap;
    ///
    /// let device = Device::flex();
    /// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
    /// let embed = embed.with_channels(&ChannelMap::repeat(3, 5).unwrap()).unwrap();
    /// assert_eq!(embed.forward(Tensor::zeros([1, 5, 8, 8], &device)).tokens(), 4);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoProjection`] for an embedding that is no projection of patches or that a normalisation was folded
    /// into, [`Error::Channels`] for a map from other channels.
    fn with_channels(self, map: &ChannelMap) -> Result<Self, Error> {
        let _ = map;
        Err(refuse::<Self>("channels"))
    }

    /// Embeds images.
    ///
    /// # Panics
    ///
    /// As [`forward_images`](Self::forward_images).
    #[track_caller]
    fn forward(&self, images: Tensor<4>) -> Tokens {
        self.forward_images(images.into(), None)
    }

    /// Embeds what a decoder gives: bytes, or other integers, in `order`.
    /// [`byte_tensor`](crate::ops::byte_tensor) brings them to any device.
    ///
    /// # Panics
    ///
    /// As [`forward_images`](Self::forward_images).
    #[track_caller]
    fn forward_bytes(&self, bytes: Tensor<4, Int>, order: PixelOrder) -> Tokens {
        self.forward_images(Images::Bytes(bytes, order), None)
    }

    /// Embeds only the cells `[batch, kept]` of the grid: the same tokens as `forward(images).select(cells)`.
    ///
    /// # Panics
    ///
    /// As [`forward_images`](Self::forward_images).
    #[track_caller]
    fn forward_visible(&self, images: Tensor<4>, cells: Tensor<2, Int>) -> Tokens {
        self.forward_images(images.into(), Some(cells))
    }
}

/// The layout of images `[batch, channels, height, width]`, or a panic with the error's text.
#[track_caller]
pub(crate) fn expect_layout(
    embed: &impl PatchEmbed,
    [_, channels, height, width]: [usize; 4],
) -> PatchGrid {
    check_channels(embed.channels(), channels)
        .and_then(|()| embed.layout([height, width]))
        .or_panic()
}

/// Embeddings of every cell of `grid`, or of `cells` alone.
pub(crate) fn on_grid(
    embeddings: Tensor<3>,
    grid: PatchGrid,
    cells: Option<Tensor<2, Int>>,
) -> Tokens {
    match cells {
        Some(cells) => Tokens::from_cells(embeddings, grid, cells),
        None => Tokens::from_grid(embeddings, grid),
    }
}

/// All tokens, or those at `cells` alone.
pub(crate) fn select(tokens: Tokens, cells: Option<Tensor<2, Int>>) -> Tokens {
    match cells {
        Some(cells) => tokens.select(cells),
        None => tokens,
    }
}

pub(crate) fn check_channels(expected: usize, got: usize) -> Result<(), Error> {
    if expected != got {
        return Err(Error::Channels { expected, got });
    }
    Ok(())
}
