use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, Element, Shape, TensorData};

use super::gather::Windows;
use super::{Real, grads, project};
use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, ParameterGrads, composed};

/// A backend whose tensors of `T` are slices of host memory.
pub(in crate::ops::backends) trait Host<T>: Backend {
    /// The values in row-major order, if they lie so.
    fn values(tensor: &FloatTensor<Self>) -> Option<&[T]>;

    /// A tensor of `values`, without a copy.
    fn tensor(values: TensorData) -> FloatTensor<Self>;

    /// The same tensor in row-major order.
    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The values of an integer tensor, in row-major order.
    fn integers(tensor: IntTensor<Self>) -> Vec<i64>;
}

/// [`PatchOps::project_patches`](crate::ops::PatchOps::project_patches): `f32` and `f64` here, other
/// types by the composed default.
pub(in crate::ops::backends) fn project_patches<B: Host<f32> + Host<f64>>(
    images: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    match images.dtype() {
        DType::F32 => typed_project::<B, f32>(images, weight, bias, cells, grid),
        DType::F64 => typed_project::<B, f64>(images, weight, bias, cells, grid),
        _ => composed::project_patches::<B>(images, weight, bias, cells, grid),
    }
}

/// [`PatchGrads::images_grad`](crate::ops::PatchGrads::images_grad).
pub(in crate::ops::backends) fn images_grad<B: Host<f32> + Host<f64>>(
    grad: FloatTensor<B>,
    weight: FloatTensor<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    match grad.dtype() {
        DType::F32 => typed_images_grad::<B, f32>(grad, weight, cells, grid),
        DType::F64 => typed_images_grad::<B, f64>(grad, weight, cells, grid),
        _ => composed::images_grad::<B>(grad, weight, cells, grid),
    }
}

/// [`PatchGrads::parameter_grads`](crate::ops::PatchGrads::parameter_grads).
pub(in crate::ops::backends) fn parameter_grads<B: Host<f32> + Host<f64>>(
    grad: FloatTensor<B>,
    images: FloatTensor<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> ParameterGrads<B> {
    match grad.dtype() {
        DType::F32 => typed_parameter_grads::<B, f32>(grad, images, cells, grid),
        DType::F64 => typed_parameter_grads::<B, f64>(grad, images, cells, grid),
        _ => composed::parameter_grads::<B>(grad, images, cells, grid),
    }
}

fn typed_project<B: Host<T>, T: Real + Element>(
    images: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [batch, channels, ..] = images.shape().dims::<4>();
    let [dim, ..] = weight.shape().dims::<4>();
    let cells = host_cells::<B, T>(cells, grid);
    let windows = Windows {
        batch,
        channels,
        grid,
        cells: cells.as_deref(),
    };
    let bias = match bias {
        Bias::Absent => None,
        Bias::Present(bias) => Some(B::contiguous(bias)),
    };
    let tokens = project::project(
        &windows,
        values::<B, T>(&B::contiguous(images)),
        values::<B, T>(&B::contiguous(weight)),
        bias.as_ref().map(values::<B, T>),
        dim,
    );
    tensor::<B, T>(tokens, [batch, windows.per_image(), dim])
}

fn typed_images_grad<B: Host<T>, T: Real + Element>(
    grad: FloatTensor<B>,
    weight: FloatTensor<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [batch, ..] = grad.shape().dims::<3>();
    let [dim, channels, ..] = weight.shape().dims::<4>();
    let [height, width] = grid.size;
    let cells = host_cells::<B, T>(cells, grid);
    let windows = Windows {
        batch,
        channels,
        grid,
        cells: cells.as_deref(),
    };
    let images = grads::images_grad(
        &windows,
        values::<B, T>(&B::contiguous(grad)),
        values::<B, T>(&B::contiguous(weight)),
        dim,
    );
    tensor::<B, T>(images, [batch, channels, height, width])
}

fn typed_parameter_grads<B: Host<T>, T: Real + Element>(
    grad: FloatTensor<B>,
    images: FloatTensor<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> ParameterGrads<B> {
    let [batch, channels, ..] = images.shape().dims::<4>();
    let [_, _, dim] = grad.shape().dims::<3>();
    let [kh, kw] = grid.window.kernel;
    let cells = host_cells::<B, T>(cells, grid);
    let windows = Windows {
        batch,
        channels,
        grid,
        cells: cells.as_deref(),
    };
    let grads = grads::parameter_grads(
        &windows,
        values::<B, T>(&B::contiguous(images)),
        values::<B, T>(&B::contiguous(grad)),
        dim,
    );
    ParameterGrads {
        weight: tensor::<B, T>(grads.weight, [dim, channels, kh, kw]),
        bias: tensor::<B, T>(grads.bias, [dim]),
    }
}

fn values<B: Host<T>, T>(tensor: &FloatTensor<B>) -> &[T] {
    B::values(tensor).expect("a contiguous tensor of the images' type")
}

fn tensor<B: Host<T>, T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> FloatTensor<B> {
    B::tensor(TensorData::new(values, shape))
}

/// Cells as indices, each checked against the grid.
fn host_cells<B: Host<T>, T>(cells: Cells<B>, grid: &PatchGrid) -> Option<Vec<usize>> {
    let Cells::Picked(cells) = cells else {
        return None;
    };
    let tokens = grid.tokens();
    let index = |cell: i64| {
        let index = usize::try_from(cell).ok().filter(|&index| index < tokens);
        index.unwrap_or_else(|| panic!("cell {cell} of a grid of {tokens}"))
    };
    Some(B::integers(cells).into_iter().map(index).collect())
}
