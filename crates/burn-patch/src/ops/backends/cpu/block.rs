//! How much work a thread takes at a time, and products of such blocks.

use core::ops::Range;

use faer::linalg::matmul::matmul;
use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

use super::Real;

/// Bytes of gathered windows that one thread works on: they fit the second-level cache with room for
/// the panels of the other factor.
const BLOCK_BYTES: usize = 768 * 1024;
/// Bytes of gathered windows that all threads work on together: they fit the third-level cache.
const SHARED_BYTES: usize = 4 * 1024 * 1024;
/// Depth of one step of a product with a transposed left factor, where faer reads that factor in place: each value of
/// the depth is another cache line, and a step's must stay in the first-level cache.
const STEP: usize = 128;
/// A product of fewer multiplications than this is one task; rayon leaves that to the calling thread.
const PARALLEL_FROM: usize = 1 << 20;
/// Rows of a product that are not worth dividing.
pub(super) const LANES: usize = 16;

/// Values that are worth handing to another thread where each takes a few operations.
pub(super) const CHUNK: usize = 1 << 14;

/// Into how many parts to divide a product.
pub(super) fn tasks(multiplications: usize) -> usize {
    match multiplications < PARALLEL_FROM {
        true => 1,
        false => rayon::current_num_threads(),
    }
}

/// How many of `count` windows of `len` values make a thread's block, each multiplied by `dim`
/// columns: as even a division among the threads as the cache allows.
pub(super) fn block_windows<T>(count: usize, len: usize, dim: usize) -> usize {
    let tasks = tasks(count * len * dim);
    let most = lone_block_windows::<T>(len);
    let blocks = match tasks {
        1 => count.div_ceil(most),
        _ => count.div_ceil(most).next_multiple_of(tasks),
    };
    count.div_ceil(blocks.max(1)).max(1)
}

/// How many windows make the block of a thread that works alone.
pub(super) fn lone_block_windows<T>(len: usize) -> usize {
    (BLOCK_BYTES / (len * size_of::<T>())).max(LANES)
}

/// How many windows make a block that all threads share.
pub(super) fn shared_block_windows<T>(len: usize) -> usize {
    (SHARED_BYTES / (len * size_of::<T>())).max(LANES)
}

/// `range` split into ranges of `block`.
pub(super) fn blocks(range: Range<usize>, block: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range
        .step_by(block)
        .map(move |start| start..(start + block).min(end))
}

/// `out[m, n] (+)= factor·left[m, k]·right[k, n]` on the calling thread.
pub(super) fn multiply<T: Real>(
    out: MatMut<'_, T>,
    accum: Accum,
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
    factor: T,
) {
    let transposed = left.col_stride() != 1;
    let step = match transposed && steps_pay() {
        true => STEP,
        false => left.ncols(),
    };
    multiply_in_steps(out, accum, left, right, factor, step);
}

/// As [`multiply`], `step` of the depth at a time.
fn multiply_in_steps<T: Real>(
    mut out: MatMut<'_, T>,
    mut accum: Accum,
    mut left: MatRef<'_, T>,
    mut right: MatRef<'_, T>,
    factor: T,
    step: usize,
) {
    while left.ncols() > step {
        let (first, rest) = left.split_at_col(step);
        let (right_first, right_rest) = right.split_at_row(step);
        matmul(out.rb_mut(), accum, first, right_first, factor, Par::Seq);
        (left, right, accum) = (rest, right_rest, Accum::Add);
    }
    matmul(out, accum, left, right, factor, Par::Seq);
}

/// Whether faer 0.24 multiplies by its AVX2 kernel, for which steps were measured to be faster. With AVX-512 they were
/// measured to make no difference; without either, faer copies both factors first.
fn steps_pay() -> bool {
    #[cfg(target_arch = "x86_64")]
    return !std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// `out[rows, dim] = left[rows, k]·right[k, dim] + bias[dim]` on the calling thread.
pub(super) fn affine<T: Real>(out: &mut [T], left: &[T], right: MatRef<'_, T>, bias: Option<&[T]>) {
    let (len, dim) = (right.nrows(), right.ncols());
    let rows = out.len() / dim;
    let accum = match bias {
        Some(bias) => {
            out.chunks_exact_mut(dim)
                .for_each(|row| row.copy_from_slice(bias));
            Accum::Add
        }
        None => Accum::Replace,
    };
    multiply(
        MatMut::from_row_major_slice_mut(out, rows, dim),
        accum,
        MatRef::from_row_major_slice(left, rows, len),
        right,
        T::ONE,
    );
}

/// Rows that lie `stride` apart. faer 0.24.4's own row-major constructor exchanges the strides.
pub(super) fn rows_mut<T: Real>(
    values: &mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_with_stride_mut(values, cols, rows, stride).transpose_mut()
}

/// Adds `values` to `sum`, element by element.
pub(super) fn add<T: Real>(sum: &mut [T], values: &[T]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += *value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2·Aᵀ·B` of small integers, which `f64` holds exactly, replacing and added to what is there.
    #[test]
    fn steps_of_the_depth_add_up() {
        let [rows, cols, depth] = [3, 2, 7];
        let value = |index: usize| (index * 5 % 11) as f64 - 5.0;
        let left: Vec<f64> = (0..depth * rows).map(value).collect();
        let right: Vec<f64> = (0..depth * cols).map(|index| value(index + 3)).collect();
        let product = |row: usize, col: usize| -> f64 {
            let terms = (0..depth).map(|k| left[k * rows + row] * right[k * cols + col]);
            2.0 * terms.sum::<f64>()
        };
        for (step, accum, before) in [
            (1, Accum::Replace, f64::NAN),
            (3, Accum::Replace, f64::NAN),
            (7, Accum::Replace, f64::NAN),
            (3, Accum::Add, 40.0),
        ] {
            let mut out = vec![before; rows * cols];
            multiply_in_steps(
                MatMut::from_row_major_slice_mut(&mut out, rows, cols),
                accum,
                MatRef::from_row_major_slice(&left, depth, rows).transpose(),
                MatRef::from_row_major_slice(&right, depth, cols),
                2.0,
                step,
            );
            let kept = if before.is_nan() { 0.0 } else { before };
            for (index, got) in out.iter().enumerate() {
                assert_eq!(
                    *got,
                    kept + product(index / cols, index % cols),
                    "step {step}"
                );
            }
        }
    }
}
