//! Patch projection between tensors and slices.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Element, FloatDType};
use rayon::prelude::*;

use super::gather::{Source, Windows};
use super::host::{Host, tensor, values};
use super::zeros::zeros;
use super::{Real, grads, project, sums};
use crate::grid::PatchGrid;
use crate::ops::patch::composed;
use crate::ops::{Bias, Cells, Fill, ParameterGrads, Pixels};

pub(in crate::ops::backends) fn project_patches<B: Host<T>, T: Real + Element>(
    images: Pixels<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    fill: Fill<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [batch, channels, ..] = images.shape();
    let [dim, ..] = weight.shape().dims::<4>();
    let windows = windows::<B, T>([batch, channels], cells, grid);
    let per_image = windows.per_image();
    let weight = B::contiguous(weight);
    let weight = values::<B, T>(&weight);
    let bias = bias.into_option().map(B::contiguous);
    let bias = bias.as_ref().map(values::<B, T>);
    let padding = padding::<B, T>(fill, grid);
    let tokens = match Memory::of(&images) {
        Memory::Bytes(pixels, Order::ChannelsFirst) => {
            let source = Source {
                windows,
                pixels,
                padding,
            };
            project::project(&source, weight, bias, dim)
        }
        Memory::Bytes(pixels, Order::ChannelsLast) => {
            let source = interleave(windows, pixels, padding);
            let weight = exchange(weight, channels, weight.len() / (dim * channels));
            project::project(&source, &weight, bias, dim)
        }
        Memory::Other => {
            let images = B::contiguous(composed::floats::<B>(images, T::dtype()));
            let pixels = values::<B, T>(&images);
            let source = Source {
                windows,
                pixels,
                padding,
            };
            project::project(&source, weight, bias, dim)
        }
    };
    tensor::<B, T>(tokens, [batch, per_image, dim])
}

/// As [`project_patches`] for types without a kernel: computed in `f32`, returned in the weight's type.
pub(in crate::ops::backends) fn project_in_single<B: Host<f32>>(
    images: Pixels<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    fill: Fill<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let single = |tensor| B::float_cast(tensor, FloatDType::F32);
    let dtype = weight.dtype();
    let images = match images {
        Pixels::Floats(images) => Pixels::Floats(single(images)),
        bytes => bytes,
    };
    let bias = bias
        .into_option()
        .map_or(Bias::Absent, |bias| Bias::Present(single(bias)));
    let tokens = project_patches::<B, f32>(images, single(weight), bias, fill, cells, grid);
    B::float_cast(tokens, dtype.into())
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
    images: Pixels<B>,
    fill: Fill<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> ParameterGrads<B> {
    let [batch, channels, ..] = images.shape();
    let [_, _, dim] = grad.shape().dims::<3>();
    let [kh, kw] = grid.window.kernel;
    let windows = windows::<B, T>([batch, channels], cells, grid);
    let grad = B::contiguous(grad);
    let grad = values::<B, T>(&grad);
    let padding = padding::<B, T>(fill, grid);
    let grads = match Memory::of(&images) {
        Memory::Bytes(pixels, Order::ChannelsFirst) => grads::parameter_grads(
            &Source {
                windows,
                pixels,
                padding,
            },
            grad,
            dim,
        ),
        Memory::Bytes(pixels, Order::ChannelsLast) => {
            let grads = grads::parameter_grads(&interleave(windows, pixels, padding), grad, dim);
            sums::ParameterGrads {
                weight: exchange(&grads.weight, kh * kw, channels),
                ..grads
            }
        }
        Memory::Other => {
            let images = B::contiguous(composed::floats::<B>(images, T::dtype()));
            let pixels = values::<B, T>(&images);
            grads::parameter_grads(
                &Source {
                    windows,
                    pixels,
                    padding,
                },
                grad,
                dim,
            )
        }
    };
    ParameterGrads {
        weight: tensor::<B, T>(grads.weight, [dim, channels, kh, kw]),
        bias: tensor::<B, T>(grads.bias, [dim]),
    }
}

/// Images as the kernel may read them without a copy.
enum Memory<'a> {
    Bytes(&'a [u8], Order),
    Other,
}

enum Order {
    ChannelsFirst,
    ChannelsLast,
}

impl<'a> Memory<'a> {
    fn of<B: Host<T>, T>(images: &'a Pixels<B>) -> Self {
        let (bytes, order) = match images {
            Pixels::Floats(_) => return Self::Other,
            Pixels::BytesChannelsFirst(images) => (B::bytes(images), Order::ChannelsFirst),
            Pixels::BytesChannelsLast(images) => (B::bytes(images), Order::ChannelsLast),
        };
        bytes.map_or(Self::Other, |bytes| Self::Bytes(bytes, order))
    }
}

/// A window of padding, in the order (channel, row, column).
fn padding<B: Host<T>, T: Real + Element>(fill: Fill<B>, grid: &PatchGrid) -> Option<Vec<T>> {
    let Fill::Channels(channels) = fill else {
        return None;
    };
    let [kh, kw] = grid.window.kernel;
    let channels = B::contiguous(B::float_cast(channels, T::dtype().into()));
    let channels = values::<B, T>(&channels).iter();
    Some(
        channels
            .flat_map(|&value| core::iter::repeat_n(value, kh * kw))
            .collect(),
    )
}

fn interleave<T: Real>(
    windows: Windows,
    pixels: &[u8],
    padding: Option<Vec<T>>,
) -> Source<'_, u8, T> {
    let channels = windows.channels;
    Source {
        padding: padding.map(|padding| exchange(&padding, channels, padding.len() / channels)),
        windows: windows.interleaved(),
        pixels,
    }
}

/// Exchanges the last two axes of `[.., slow, fast]`.
fn exchange<T: Real>(values: &[T], slow: usize, fast: usize) -> Vec<T> {
    let mut exchanged = zeros(values.len());
    let blocks = exchanged
        .par_chunks_mut(slow * fast)
        .zip(values.par_chunks(slow * fast));
    blocks.for_each(|(to, from)| {
        for (row, values) in from.chunks_exact(fast).enumerate() {
            for (value, to) in values.iter().zip(to[row..].iter_mut().step_by(slow)) {
                *to = *value;
            }
        }
    });
    exchanged
}

/// The windows to read, each picked cell checked against the grid.
fn windows<B: Host<T>, T>(
    [batch, channels]: [usize; 2],
    cells: Cells<B>,
    grid: &PatchGrid,
) -> Windows {
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
        grid: *grid,
        cells,
    }
}
