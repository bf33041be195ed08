use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::Real;
use super::block::{LANES, add, block_windows, blocks, multiply, shared_block_windows, tasks};
use super::gather::{Pixel, Source, Windows};

/// Gradients of weight `[dim, values]` and bias `[dim]`.
pub(super) struct ParameterGrads<T> {
    pub(super) weight: Vec<T>,
    pub(super) bias: Vec<T>,
}

/// `∂W = ∂Tᵀ·X` and `∂b = Σ ∂T` from the tokens' gradient `[windows, dim]`: all threads gather a block
/// together, then each multiplies it for its rows of the weight, so the sums run in one order
/// however many threads there are.
pub(super) fn parameter_grads<S: Pixel<T>, T: Real>(
    source: &Source<'_, S, T>,
    grad: &[T],
    dim: usize,
) -> ParameterGrads<T> {
    let (count, len) = (source.windows.count(), source.windows.len());
    let tasks = tasks(count * len * dim);
    let block = shared_block_windows::<T>(count, len);
    let rows = dim.div_ceil(tasks).next_multiple_of(LANES);
    let mut weight = vec![T::default(); dim * len];
    let mut bias = vec![T::default(); dim];
    let mut buffer = vec![T::default(); block * len];
    for part in blocks(count, block) {
        let buffer = &mut buffer[..part.len() * len];
        let share = part.len().div_ceil(tasks);
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
    let mut images = vec![T::default(); windows.batch * windows.pixels()];
    images
        .par_chunks_mut(windows.pixels())
        .enumerate()
        .for_each_init(
            || vec![T::default(); block * len],
            |buffer, (index, image)| {
                for part in blocks(per_image, block) {
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
