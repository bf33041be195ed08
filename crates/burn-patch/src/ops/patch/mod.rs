//! Patch projection: gather the windows of an image, multiply each by one shared matrix.
//!
//! Every embedding comes down to this operation, so it is one operation with one implementation per backend and with
//! gradients written by hand. How it is made, and why:
//!
//! **The weight has a convolution's shape**, `[dim, channels, kh, kw]`, as checkpoints have it and as LibTorch's
//! convolution takes it. The product wants `[channels·kh·kw, dim]`, which is a view of the same numbers: a reshape and
//! a transpose. Modules therefore hold a `Conv2d` for its parameters and its initialiser, and a test compares
//! [`project_patches()`] with running that module as a convolution.
//!
//! **Without a kernel of its own a backend selects rows and columns** (`composed`). Where windows tile the image,
//! gathering them is a reshape. Where they overlap, `select` takes the padded image's rows, some of them several times,
//! and then its columns; the adjoint adds them back with `select_assign`. Every backend has these two operations.
//! Burn's own ways are not used: `unfold4d` with padding is a convolution by a one-hot kernel, and the backward pass of
//! `Tensor::unfold` is a loop over windows.
//!
//! **Gradients are a second trait.** The autodiff implementation of [`PatchOps`] calls [`PatchGrads`] on the backend
//! below it. A backend can so replace the forward pass, the gradient of the images, that of weight and bias, or all of
//! them. Burn's dispatch does not know `PatchGrads`, since only autodiff calls it. A backend that records gradients
//! itself can keep what it needs for them between the two passes ([`PatchGrads::project_tracked`]).
//!
//! **Pixels are numbers or bytes** ([`Pixels`]). Bytes as a decoder gives them are converted while they are gathered, so
//! that no copy of the image in floats is made. `fold_normalization` of an embedding moves mean and standard deviation
//! into weight and bias. A zero in the padding stood for the mean, so afterwards the padding is filled with the mean
//! ([`Fill`]); the fill is a parameter without gradient, so that a saved model keeps it.
//!
//! **Picking cells is an argument** ([`Cells`]) and not an operation of its own: the visible patches of an MAE are
//! gathered by their index and nothing else is computed.

pub(crate) mod composed;

mod byte_tensor;
mod images;
mod overlap_add;
mod patch_ops;
mod patch_windows;
mod project_patches;

pub use byte_tensor::byte_tensor;
pub use images::{Images, PixelOrder};
pub use overlap_add::overlap_add;
pub use patch_ops::{Bias, Cells, Fill, ParameterGrads, PatchGrads, PatchOps, Pixels};
pub use patch_windows::{fold_windows, patch_windows};
pub use project_patches::{project_cells, project_patches, project_pixels};
