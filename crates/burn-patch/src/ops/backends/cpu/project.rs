use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::Real;
use super::block::{block_windows, multiply};
use super::gather::Windows;

/// Tokens `[windows, dim]` of `images` with weight `[dim, values]` and bias `[dim]`.
pub(super) fn project<T: Real>(
    windows: &Windows<'_>,
    images: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    dim: usize,
) -> Vec<T> {
    let (count, len) = (windows.count(), windows.len());
    let weight = MatRef::from_row_major_slice(weight, dim, len).transpose();
    let block = block_windows::<T>(count, len, dim);
    let mut tokens = vec![T::default(); count * dim];
    let project_block = |buffer: &mut Vec<T>, (index, tokens): (usize, &mut [T])| {
        let first = index * block;
        let rows = tokens.len() / dim;
        let buffer = &mut buffer[..rows * len];
        windows.gather(images, first..first + rows, buffer);
        let accum = match bias {
            Some(bias) => {
                tokens
                    .chunks_exact_mut(dim)
                    .for_each(|token| token.copy_from_slice(bias));
                Accum::Add
            }
            None => Accum::Replace,
        };
        multiply(
            MatMut::from_row_major_slice_mut(tokens, rows, dim),
            accum,
            MatRef::from_row_major_slice(buffer, rows, len),
            weight,
        );
    };
    tokens
        .par_chunks_mut(block * dim)
        .enumerate()
        .for_each_init(|| vec![T::default(); block * len], project_block);
    tokens
}
