use burn::backend::tensor::{FloatTensor, IntTensor};
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

impl<B: Backend> Bias<B> {
    /// As the option that Burn's own operations take.
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Present(bias) => Some(bias),
        }
    }
}

/// Which cells of the grid to project.
#[derive(ExtensionType, Debug, Clone)]
pub enum Cells<B: Backend> {
    /// All of them.
    All,
    /// Those at `[batch, kept]`, in that order.
    Picked(IntTensor<B>),
}

/// Patch projection and its parts, with a default for every backend composed of Burn's own operations.
///
/// A backend overrides what it does better.
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

    /// Projects windows: weight `[dim, channels, kh, kw]`, bias `[dim]`, result `[batch, tokens, dim]`,
    /// or `[batch, kept, dim]` for picked cells.
    fn project_patches(
        images: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        #[extension_type] cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::project_patches::<Self>(images, weight, bias, cells, &grid)
    }
}

/// Gradients of a projection's weight and bias.
#[derive(Debug, Clone)]
pub struct ParameterGrads<B: Backend> {
    /// Of the weight.
    pub weight: FloatTensor<B>,
    /// Of the bias.
    pub bias: FloatTensor<B>,
}

/// The backward half of [`PatchOps::project_patches`], which its autodiff implementation calls on the
/// backend below, so that a fast kernel needs no tape of its own.
pub trait PatchGrads: Backend {
    /// Gradient with respect to the images.
    fn images_grad(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::images_grad::<Self>(grad, weight, cells, &grid)
    }

    /// Gradients with respect to weight and bias.
    fn parameter_grads(
        grad: FloatTensor<Self>,
        images: FloatTensor<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> ParameterGrads<Self> {
        composed::parameter_grads::<Self>(grad, images, cells, &grid)
    }
}
