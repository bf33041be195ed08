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
/// Depth, in bytes, of one step of a product whose factors both lie across it. Where faer reads the right one in
/// place, each value of the depth is another cache line, and a step's must stay in the first-level cache.
const CROSSED_BYTES: usize = 512;
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
    mut out: MatMut<'_, T>,
    accum: Accum,
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
    factor: T,
) {
    let crossed = left.col_stride() != 1 && right.row_stride() != 1;
    let most = match crossed && reads_in_place() {
        true => CROSSED_BYTES / size_of::<T>(),
        false => left.ncols(),
    };
    let (mut left, mut right, mut accum) = (left, right, accum);
    while left.ncols() > most {
        let (step, rest) = left.split_at_col(most);
        let (right_step, right_rest) = right.split_at_row(most);
        matmul(out.rb_mut(), accum, step, right_step, factor, Par::Seq);
        (left, right, accum) = (rest, right_rest, Accum::Add);
    }
    matmul(out, accum, left, right, factor, Par::Seq);
}

/// Whether faer 0.24 multiplies by its AVX2 kernel, which copies one factor only. With AVX-512 the shorter steps
/// were not measured; elsewhere both factors are copied.
fn reads_in_place() -> bool {
    #[cfg(target_arch = "x86_64")]
    return !std::arch::is_x86_feature_detected!("avx512f");
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

/// Adds `values` to `sum`, element by element.
pub(super) fn add<T: Real>(sum: &mut [T], values: &[T]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += *value;
    }
}
