//! What turns images into features before they become tokens.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::Error;
use crate::grid::PatchGrid;

/// A module that turns images `[batch, channels, height, width]` into features `[batch, dim, rows, cols]`.
pub trait Backbone: Module + ModuleDisplay {
    /// Channels of the images.
    fn channels(&self) -> usize;

    /// Channels of the features.
    fn dim(&self) -> usize;

    /// Which windows of images of `size` (`[height, width]` in pixels) the features come from: stride and
    /// padding of all steps together, and as large a window as the receptive field.
    ///
    /// # Errors
    ///
    /// If it cannot read such images.
    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error>;

    /// The features.
    ///
    /// # Panics
    ///
    /// If [`layout`](Self::layout) has an error, or the channels differ.
    #[track_caller]
    fn forward(&self, images: Tensor<4>) -> Tensor<4>;
}
