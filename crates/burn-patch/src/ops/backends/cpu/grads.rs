//! The projection's gradients on slices: of weight and bias, and of the images.

use core::ops::Range;

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::Real;
use super::block::{
    LANES, add, block_windows, blocks, lone_block_windows, multiply, shared_block_windows,
};
use super::gather::{Pixel, Source, Windows};
use super::sums::{Division, ParameterGrads};
use super::zeros::zeros;

/// `∂W = ∂Tᵀ·X`, `[dim, values]`, and `∂b = Σ ∂T`, `[dim]`, from the tokens' gradient `[windows, dim]`.
pub(super) fn parameter_grads<S: Pixel<T>, T: Real>(
    source: &Source<'_, S, T>,
    grad: &[T],
    dim: usize,
) -> ParameterGrads<T> {
    let (count, len) = (source.windows.count(), source.windows.len());
    let division = Division::new::<T>(count, len * dim);
    let block = match division.parts {
        1 => shared_block_windows::<T>(len),
        _ => lone_block_windows::<T>(len),
    };
    division.sum(
        || vec![T::default(); block.min(division.share()) * len],
        |buffer, windows| part_grads(source, windows, grad, dim, division.slices, buffer),
    )
}

/// The gradients from some windows: threads gather a block together, then each multiplies it for its slice of the
/// weight's rows.
fn part_grads<S: Pixel<T>, T: Real>(
    source: &Source<'_, S, T>,
    windows: Range<usize>,
    grad: &[T],
    dim: usize,
    slices: usize,
    buffer: &mut [T],
) -> ParameterGrads<T> {
    let len = source.windows.len();
    let rows = dim.div_ceil(slices).next_multiple_of(LANES);
    let mut weight = zeros(dim * len);
    let mut bias = vec![T::default(); dim];
    for part in blocks(windows, (buffer.len() / len).max(1)) {
        let buffer = &mut buffer[..part.len() * len];
        let share = part.len().div_ceil(slices);
        let shares = buffer.par_chunks_mut(share * len).enumerate();
        shares.for_each(|(index, buffer)| {
            let first = part.start + index * share;
            source.gather(first..first + buffer.len() / len, buffer);
        });
        let gathered = MatRef::from_row_major_slice(buffer, part.len(), len);
        let grad = &grad[part.start * dim..part.end * dim];
        let grad_columns = MatRef::from_row_major_slice(grad, part.len(), dim).transpose();
        let slices = weight
            .par_chunks_mut(rows * len)
            .zip(bias.par_chunks_mut(rows));
        slices.enumerate().for_each(|(index, (weight, bias))| {
            let first = index * rows;
            multiply(
                MatMut::from_row_major_slice_mut(weight, bias.len(), len),
                Accum::Add,
                grad_columns.subrows(first, bias.len()),
                gathered,
                T::ONE,
            );
            for token in grad.chunks_exact(dim) {
                add(bias, &token[first..first + bias.len()]);
            }
        });
    }
    ParameterGrads { weight, bias }
}

/// `∂images = Aᵀ(∂T·W)`, image by image, so that no two threads write to the same pixel.
pub(super) fn images_grad<T: Real>(
    windows: &Windows,
    grad: &[T],
    weight: &[T],
    dim: usize,
) -> Vec<T> {
    let (per_image, len) = (windows.per_image(), windows.len());
    let weight = MatRef::from_row_major_slice(weight, dim, len);
    let block = block_windows::<T>(per_image, len, dim);
    let mut images = zeros(windows.batch * windows.pixels());
    images
        .par_chunks_mut(windows.pixels())
        .enumerate()
        .for_each_init(
            || vec![T::default(); block * len],
            |buffer, (index, image)| {
                for part in blocks(0..per_image, block) {
                    let first = index * per_image + part.start;
                    let rows = part.len();
                    let buffer = &mut buffer[..rows * len];
                    multiply(
                        MatMut::from_row_major_slice_mut(buffer, rows, len),
                        Accum::Replace,
                        MatRef::from_row_major_slice(
                            &grad[first * dim..(first + rows) * dim],
                            rows,
                            dim,
                        ),
                        weight,
                        T::ONE,
                    );
                    windows.scatter(buffer, first, image);
                }
            },
        );
    images
}
