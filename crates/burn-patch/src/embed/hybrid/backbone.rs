//! What turns images into features before they become tokens.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::Error;
use crate::grid::PatchGrid;
use crate::ops::Images;

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

    /// The features of images, numbers or bytes.
    ///
    /// A backbone whose first step is a convolution by this crate's operations reads bytes as they are;
    /// [`Images::into_floats`] makes numbers of them for any other.
    ///
    /// # Panics
    ///
    /// If [`layout`](Self::layout) has an error, or the channels differ.
    fn forward_images(&self, images: Images) -> Tensor<4>;

    /// The features.
    ///
    /// # Panics
    ///
    /// As [`forward_images`](Self::forward_images).
    fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        self.forward_images(images.into())
    }
}
