//! What a backend implements for patch projection: traits of the operations and of their gradients.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, ExtensionType, TensorMetadata, backend_extension};

use crate::grid::PatchGrid;
use crate::ops::patch::composed;
use crate::ops::{PartOps, Recorded};

/// An optional bias, in the form that crosses Burn's dispatch boundary.
#[derive(ExtensionType, Debug, Clone)]
pub enum Bias<B: Backend> {
    /// No bias.
    Absent,
    /// The bias.
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

/// What a batch of images is made of, in the form that crosses Burn's dispatch boundary.
#[derive(ExtensionType, Debug, Clone)]
pub enum Pixels<B: Backend> {
    /// Numbers `[batch, channels, height, width]`.
    Floats(FloatTensor<B>),
    /// Bytes, or other integers, `[batch, channels, height, width]`.
    BytesChannelsFirst(IntTensor<B>),
    /// Bytes, or other integers, `[batch, height, width, channels]`, as decoders give them.
    BytesChannelsLast(IntTensor<B>),
}

impl<B: Backend> Pixels<B> {
    /// `[batch, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        match self {
            Self::Floats(images) => images.shape().dims(),
            Self::BytesChannelsFirst(images) => images.shape().dims(),
            Self::BytesChannelsLast(images) => {
                let [batch, height, width, channels] = images.shape().dims();
                [batch, channels, height, width]
            }
        }
    }
}

/// What padding is filled with, in the form that crosses Burn's dispatch boundary.
#[derive(ExtensionType, Debug, Clone)]
pub enum Fill<B: Backend> {
    /// Zeros.
    Zeros,
    /// A value per channel, `[channels]`.
    Channels(FloatTensor<B>),
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
    Cube: cfg(feature = "cubecl"),
    Remote: cfg(feature = "remote"),
    Fusion: cfg(feature = "fusion"),
    Autodiff: cfg(feature = "autodiff"),
)]
pub trait PatchOps: PartOps {
    /// Gathers windows: images `[batch, channels, height, width]` to `[batch, tokens, channels·kh·kw]`.
    #[fusion(dtype = images, shape = composed::windows_shape(images, grid))]
    fn patch_windows(images: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        composed::patch_windows::<Self>(images, &grid)
    }

    /// Gathers the windows at cells `[batch, kept]` alone: images `[batch, channels, height, width]` to
    /// `[batch, kept, channels·kh·kw]`.
    #[fusion(dtype = images, shape = composed::picked_shape(images, cells, grid))]
    fn picked_windows(
        images: FloatTensor<Self>,
        cells: IntTensor<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::picked_windows::<Self>(images, cells, &grid)
    }

    /// The adjoint of [`patch_windows`](Self::patch_windows): adds windows back where they came from,
    /// `[batch, tokens, channels·kh·kw]` to `[batch, channels, height, width]`.
    #[fusion(dtype = windows, shape = composed::images_shape(windows, grid))]
    fn fold_windows(windows: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        composed::fold_windows::<Self>(windows, &grid)
    }

    /// Bytes of a picture, several in an integer, the first in its lowest bits; what is too much at the end is dropped.
    #[fusion(default)]
    fn unpack_bytes(packed: IntTensor<Self>, shape: [usize; 4]) -> IntTensor<Self> {
        composed::unpack_bytes::<Self>(packed, shape)
    }

    /// Projects windows: weight `[dim, channels, kh, kw]`, bias `[dim]`, result `[batch, tokens, dim]`,
    /// or `[batch, kept, dim]` for picked cells, in the weight's type.
    #[fusion(default)]
    fn project_patches(
        #[extension_type] images: Pixels<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        #[extension_type] fill: Fill<Self>,
        #[extension_type] cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::project_patches::<Self>(images, weight, bias, fill, cells, &grid)
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

/// Projection with gradients: what the autodiff implementation of [`PatchOps::project_patches`] calls on the
/// backend below, so that a fast kernel need not record anything.
pub trait PatchGrads: PatchOps {
    /// [`PatchOps::project_patches`] where gradients will be asked for.
    fn project_tracked(
        images: Pixels<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        fill: Fill<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> Recorded<Self> {
        let tokens = Self::project_patches(images, weight, bias, fill, cells, grid);
        Recorded::without_tape(tokens)
    }

    /// Gradient with respect to the images.
    fn images_grad(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        composed::images_grad::<Self>(grad, weight, cells, &grid)
    }

    /// Gradients with respect to weight and bias, from what [`project_tracked`](Self::project_tracked) kept
    /// or from the images.
    fn parameter_grads(
        grad: FloatTensor<Self>,
        images: Pixels<Self>,
        _kept: Vec<FloatTensor<Self>>,
        fill: Fill<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> ParameterGrads<Self> {
        composed::parameter_grads::<Self>(grad, images, fill, cells, &grid)
    }
}
