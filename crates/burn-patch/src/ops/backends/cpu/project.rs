//! The projection on slices: each thread gathers blocks of windows and multiplies them while they are in its cache.

use faer::MatRef;
use rayon::prelude::*;

use super::Real;
use super::block::{affine, block_windows};
use super::gather::{Pixel, Source};
use super::zeros::zeros;

/// Tokens `[windows, dim]` with weight `[dim, values]` and bias `[dim]`.
pub(super) fn project<S: Pixel<T>, T: Real>(
    source: &Source<'_, S, T>,
    weight: &[T],
    bias: Option<&[T]>,
    dim: usize,
) -> Vec<T> {
    let (count, len) = (source.windows.count(), source.windows.len());
    let weight = MatRef::from_row_major_slice(weight, dim, len).transpose();
    let block = block_windows::<T>(count, len, dim);
    let mut tokens = zeros(count * dim);
    tokens
        .par_chunks_mut(block * dim)
        .enumerate()
        .for_each_init(
            || vec![T::default(); block * len],
            |buffer, (index, tokens)| {
                let first = index * block;
                let rows = tokens.len() / dim;
                let buffer = &mut buffer[..rows * len];
                source.gather(first..first + rows, buffer);
                affine(tokens, buffer, weight, bias);
            },
        );
    tokens
}
