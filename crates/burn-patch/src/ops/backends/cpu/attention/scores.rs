//! Scores, weights and their gradients, row by row.

use faer::{Accum, MatMut, MatRef};

use crate::ops::backends::cpu::attention::biases::Biases;
use crate::ops::backends::cpu::block::{LANES, multiply};
use crate::ops::backends::cpu::real::{Real, largest, sum};
use crate::ops::backends::cpu::vectorized::vectorized;

/// Bytes of scores that a thread holds.
const SCORES_BYTES: usize = 256 * 1024;

/// How many of so many queries are attended together, neither they nor the keys being none.
pub(super) fn block<T>(queries: usize, keys: usize) -> usize {
    let most = SCORES_BYTES / (keys * size_of::<T>());
    most.max(LANES).min(queries)
}

/// `softmax(scale·query·keyᵀ + biases)` by rows, of which the first is the part's query at `first`.
pub(super) fn weights<T: Real>(
    scores: &mut [T],
    query: MatRef<'_, T>,
    key: MatRef<'_, T>,
    scale: T,
    biases: &Biases<'_, T>,
    first: usize,
) {
    let keys = key.nrows();
    multiply(
        MatMut::from_row_major_slice_mut(scores, query.nrows(), keys),
        Accum::Replace,
        query,
        key.transpose(),
        scale,
    );
    vectorized(
        #[inline(always)]
        || {
            for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
                biases.add(first + index, row);
                softmax(row);
            }
        },
    );
}

/// A NaN, a `+∞` or nothing but `−∞` makes the whole row NaN, as in `exp(s − max(s))/Σ exp(s − max(s))`.
#[inline(always)]
fn softmax<T: Real>(row: &mut [T]) {
    let most = largest(row);
    for score in row.iter_mut() {
        *score = (most - *score).exp_minus();
    }
    let share = T::ONE / sum(row.len(), |index| row[index]);
    for weight in row.iter_mut() {
        *weight *= share;
    }
}

/// `∂S = P∘(∂P − rowsum(∂P∘P))`, in place of `∂P`.
pub(super) fn softmax_grad<T: Real>(grads: &mut [T], weights: &[T], keys: usize) {
    vectorized(
        #[inline(always)]
        || {
            let rows = grads.chunks_exact_mut(keys).zip(weights.chunks_exact(keys));
            for (grads, weights) in rows {
                let centre = sum(keys, |index| grads[index] * weights[index]);
                for (grad, weight) in grads.iter_mut().zip(weights) {
                    *grad = *weight * (*grad - centre);
                }
            }
        },
    );
}
