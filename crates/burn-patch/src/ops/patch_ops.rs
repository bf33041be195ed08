use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};

use super::composed;
use crate::grid::PatchGrid;

/// An optional bias, in the form that crosses Burn's dispatch boundary.
#[derive(ExtensionType, Debug, Clone)]
pub enum Bias<B: Backend> {
    /// No bias.
    Absent,
    /// Bias `[dim]`.
    Present(FloatTensor<B>),
}

/// Patch projection and its parts, with a default for every backend composed of Burn's own operations.
///
/// A backend overrides what it does better; the gradients below are what the autodiff
/// implementation calls, so a fast forward needs no tape of its own.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff: cfg(feature = "autodiff"),
)]
pub trait PatchOps: Backend {
    /// Gathers windows: images `[batch, channels, height, width]` to `[batch, tokens, channels·kh·kw]`.
    fn patch_windows(images: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        composed::patch_windows::<Self>(images, &grid)
    }

    /// The adjoint of [`patch_windows`](Self::patch_windows): adds windows back where they came from,
    /// `[batch, tokens, channels·kh·kw]` to `[batch, channels, height, width]`.
    fn fold_windows(windows: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        composed::fold_windows::<Self>(windows, &grid)
    }

    /// Projects each window: weight `[dim, channels, kh, kw]`, bias `[dim]`, result `[batch, tokens, dim]`.
    fn project_patches(
        images: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::project_patches::<Self>(images, weight, bias, &grid)
    }

    /// Gradient of [`project_patches`](Self::project_patches) with respect to the images.
    fn project_patches_images_grad(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::images_grad::<Self>(grad, weight, &grid)
    }

    /// Gradient of [`project_patches`](Self::project_patches) with respect to the weight.
    fn project_patches_weight_grad(
        grad: FloatTensor<Self>,
        images: FloatTensor<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::weight_grad::<Self>(grad, images, &grid)
    }
}
