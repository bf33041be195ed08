//! The linear layer and its gradients on slices.

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::Real;
use super::block::{LANES, add, affine, block_windows, multiply, tasks};
use super::sums::{Division, ParameterGrads};
use super::zeros::zeros;

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
    let mut out = zeros(rows * dim);
    out.par_chunks_mut(block * dim)
        .zip(left.par_chunks(block * len))
        .for_each(|(out, left)| affine(out, left, right, bias));
    out
}

/// `∂W = xᵀ·∂` and `∂b = Σ ∂`: sums over parts of the rows, or for a large weight slices of its own rows.
pub(super) fn parameter_grads<T: Real>(
    x: &[T],
    grad: &[T],
    [input, output]: [usize; 2],
) -> ParameterGrads<T> {
    let division = Division::new::<T>(x.len() / input, input * output);
    let share = input.div_ceil(division.slices).next_multiple_of(LANES);
    division.sum(
        || (),
        |(), rows| {
            let grad = &grad[rows.start * output..rows.end * output];
            let x = &x[rows.start * input..rows.end * input];
            let x = MatRef::from_row_major_slice(x, rows.len(), input).transpose();
            let grads = MatRef::from_row_major_slice(grad, rows.len(), output);
            let mut weight = zeros(input * output);
            let slices = weight.par_chunks_mut(share * output).enumerate();
            slices.for_each(|(index, weight)| {
                let count = weight.len() / output;
                multiply(
                    MatMut::from_row_major_slice_mut(weight, count, output),
                    Accum::Replace,
                    x.subrows(index * share, count),
                    grads,
                    T::ONE,
                );
            });
            ParameterGrads {
                weight,
                bias: column_sums(grad, output),
            }
        },
    )
}

/// `∂b = Σ ∂`, each thread its columns.
fn column_sums<T: Real>(rows: &[T], dim: usize) -> Vec<T> {
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
