//! Patch projection between tensors and slices.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Element;

use super::gather::Windows;
use super::host::{Host, tensor, values};
use super::{Real, grads, project};
use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, ParameterGrads};

pub(in crate::ops::backends) fn project_patches<B: Host<T>, T: Real + Element>(
    images: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [batch, channels, ..] = images.shape().dims::<4>();
    let [dim, ..] = weight.shape().dims::<4>();
    let windows = windows::<B, T>([batch, channels], cells, grid);
    let bias = bias.into_option().map(B::contiguous);
    let tokens = project::project(
        &windows,
        values::<B, T>(&B::contiguous(images)),
        values::<B, T>(&B::contiguous(weight)),
        bias.as_ref().map(values::<B, T>),
        dim,
    );
    tensor::<B, T>(tokens, [batch, windows.per_image(), dim])
}

pub(in crate::ops::backends) fn images_grad<B: Host<T>, T: Real + Element>(
    grad: FloatTensor<B>,
    weight: FloatTensor<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [batch, ..] = grad.shape().dims::<3>();
    let [dim, channels, ..] = weight.shape().dims::<4>();
    let [height, width] = grid.size;
    let windows = windows::<B, T>([batch, channels], cells, grid);
    let images = grads::images_grad(
        &windows,
        values::<B, T>(&B::contiguous(grad)),
        values::<B, T>(&B::contiguous(weight)),
        dim,
    );
    tensor::<B, T>(images, [batch, channels, height, width])
}

pub(in crate::ops::backends) fn parameter_grads<B: Host<T>, T: Real + Element>(
    grad: FloatTensor<B>,
    images: FloatTensor<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> ParameterGrads<B> {
    let [batch, channels, ..] = images.shape().dims::<4>();
    let [_, _, dim] = grad.shape().dims::<3>();
    let [kh, kw] = grid.window.kernel;
    let windows = windows::<B, T>([batch, channels], cells, grid);
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

/// The windows to read, each picked cell checked against the grid.
fn windows<'a, B: Host<T>, T>(
    [batch, channels]: [usize; 2],
    cells: Cells<B>,
    grid: &'a PatchGrid,
) -> Windows<'a> {
    let tokens = grid.tokens();
    let index = |cell: i64| {
        let index = usize::try_from(cell).ok().filter(|&index| index < tokens);
        index.unwrap_or_else(|| panic!("cell {cell} of a grid of {tokens}"))
    };
    let cells = match cells {
        Cells::All => None,
        Cells::Picked(cells) => Some(B::integers(cells).into_iter().map(index).collect()),
    };
    Windows {
        batch,
        channels,
        grid,
        cells,
    }
}
