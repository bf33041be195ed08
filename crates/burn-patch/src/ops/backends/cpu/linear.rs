use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::Real;
use super::block::{LANES, add, affine, block_windows, multiply, tasks};

/// `x[rows, input]·weight[input, output] + bias[output]`, rows by threads.
pub(super) fn linear<T: Real>(
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    [input, output]: [usize; 2],
) -> Vec<T> {
    rows_product(x, MatRef::from_row_major_slice(weight, input, output), bias)
}

/// `∂x = ∂·Wᵀ`.
pub(super) fn x_grad<T: Real>(weight: &[T], grad: &[T], [input, output]: [usize; 2]) -> Vec<T> {
    let weight = MatRef::from_row_major_slice(weight, input, output);
    rows_product(grad, weight.transpose(), None)
}

fn rows_product<T: Real>(left: &[T], right: MatRef<'_, T>, bias: Option<&[T]>) -> Vec<T> {
    let (len, dim) = (right.nrows(), right.ncols());
    let rows = left.len() / len;
    let block = block_windows::<T>(rows, len, dim);
    let mut out = vec![T::default(); rows * dim];
    out.par_chunks_mut(block * dim)
        .zip(left.par_chunks(block * len))
        .for_each(|(out, left)| affine(out, left, right, bias));
    out
}

/// `∂W = xᵀ·∂`, each thread its rows of the weight.
pub(super) fn weight_grad<T: Real>(x: &[T], grad: &[T], [input, output]: [usize; 2]) -> Vec<T> {
    let rows = x.len() / input;
    let x = MatRef::from_row_major_slice(x, rows, input).transpose();
    let grad = MatRef::from_row_major_slice(grad, rows, output);
    let share = input
        .div_ceil(tasks(rows * input * output))
        .next_multiple_of(LANES);
    let mut weight = vec![T::default(); input * output];
    weight
        .par_chunks_mut(share * output)
        .enumerate()
        .for_each(|(index, weight)| {
            let count = weight.len() / output;
            multiply(
                MatMut::from_row_major_slice_mut(weight, count, output),
                Accum::Replace,
                x.subrows(index * share, count),
                grad,
                T::ONE,
            );
        });
    weight
}

/// `∂b = Σ ∂`, each thread its columns.
pub(super) fn column_sums<T: Real>(rows: &[T], dim: usize) -> Vec<T> {
    let share = dim
        .div_ceil(tasks(rows.len() * LANES))
        .next_multiple_of(LANES);
    let mut sums = vec![T::default(); dim];
    sums.par_chunks_mut(share)
        .enumerate()
        .for_each(|(index, sums)| {
            for row in rows.chunks_exact(dim) {
                add(sums, &row[index * share..][..sums.len()]);
            }
        });
    sums
}
