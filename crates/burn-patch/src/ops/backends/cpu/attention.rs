//! Attention and its gradient on slices, block by block of queries.

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use super::Real;
use super::block::{LANES, blocks, multiply};
use super::real::{largest, sum};
use super::vectorized::vectorized;

/// Bytes of scores that a thread holds.
const SCORES_BYTES: usize = 256 * 1024;

/// Sizes of a fused query, key and value `[batch, tokens, 3, heads, width]`.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub(super) tokens: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
}

impl Heads {
    fn dim(&self) -> usize {
        self.heads * self.width
    }

    /// Query (0), key (1) or value (2) of a head in one image, `[tokens, width]`.
    fn part<'a, T: Real>(&self, qkv: &'a [T], part: usize, head: usize) -> MatRef<'a, T> {
        let first = part * self.dim() + head * self.width;
        MatRef::from_row_major_slice_with_stride(
            &qkv[first..],
            self.tokens,
            self.width,
            3 * self.dim(),
        )
    }

    fn part_mut<'a, T: Real>(&self, qkv: &'a mut [T], part: usize, head: usize) -> MatMut<'a, T> {
        let first = part * self.dim() + head * self.width;
        rows_mut(&mut qkv[first..], self.tokens, self.width, 3 * self.dim())
    }

    /// Queries that are attended together.
    fn block<T>(&self) -> usize {
        (SCORES_BYTES / (self.tokens * size_of::<T>())).clamp(LANES, self.tokens.max(LANES))
    }

    fn scale<T: Real>(&self) -> T {
        T::of((self.width as f64).powf(-0.5))
    }
}

/// `softmax(Q·Kᵀ/√width)·V`, `[batch, tokens, heads·width]`.
///
/// Threads take blocks of queries, all heads of them, and keep the scores in cache.
pub(super) fn attention<T: Real>(qkv: &[T], heads: Heads) -> Vec<T> {
    let (tokens, dim) = (heads.tokens, heads.dim());
    let block = heads.block::<T>();
    let mut out = vec![T::default(); qkv.len() / 3];
    let images = out
        .par_chunks_mut(tokens * dim)
        .zip(qkv.par_chunks(3 * tokens * dim));
    images.for_each(|(out, qkv)| {
        let queries = out.par_chunks_mut(block * dim).enumerate();
        queries.for_each_init(
            || vec![T::default(); block * tokens],
            |scores, (index, out)| {
                let count = out.len() / dim;
                let scores = &mut scores[..count * tokens];
                for head in 0..heads.heads {
                    let query = heads.part(qkv, 0, head).subrows(index * block, count);
                    weights(scores, query, heads.part(qkv, 1, head), heads.scale());
                    multiply(
                        rows_mut(&mut out[head * heads.width..], count, heads.width, dim),
                        Accum::Replace,
                        MatRef::from_row_major_slice(scores, count, tokens),
                        heads.part(qkv, 2, head),
                        T::ONE,
                    );
                }
            },
        );
    });
    out
}

/// Gradient of the fused query, key and value, image by image. The weights are computed again.
///
/// With `P = softmax(S)`: `∂V = Pᵀ·∂O`, `∂P = ∂O·Vᵀ`, `∂S = P∘(∂P − rowsum(∂P∘P))`,
/// `∂Q = ∂S·K/√width`, `∂K = ∂Sᵀ·Q/√width`.
pub(super) fn attention_grad<T: Real>(qkv: &[T], grad: &[T], heads: Heads) -> Vec<T> {
    let (tokens, dim) = (heads.tokens, heads.dim());
    let block = heads.block::<T>();
    let mut out = vec![T::default(); qkv.len()];
    let images = out
        .par_chunks_mut(3 * tokens * dim)
        .zip(qkv.par_chunks(3 * tokens * dim))
        .zip(grad.par_chunks(tokens * dim));
    images.for_each_init(
        || [(); 2].map(|()| vec![T::default(); block * tokens]),
        |buffers, ((out, qkv), grad)| {
            for head in 0..heads.heads {
                for queries in blocks(0..tokens, block) {
                    let grad = MatRef::from_row_major_slice_with_stride(
                        &grad[head * heads.width..],
                        tokens,
                        heads.width,
                        dim,
                    );
                    head_grad(out, qkv, grad, heads, head, queries, buffers);
                }
            }
        },
    );
    out
}

fn head_grad<T: Real>(
    out: &mut [T],
    qkv: &[T],
    grad: MatRef<'_, T>,
    heads: Heads,
    head: usize,
    queries: core::ops::Range<usize>,
    [scores, score_grads]: &mut [Vec<T>; 2],
) {
    let (tokens, count) = (heads.tokens, queries.len());
    let scores = &mut scores[..count * tokens];
    let score_grads = &mut score_grads[..count * tokens];
    let grad = grad.subrows(queries.start, count);
    let [query, key, value] = [0, 1, 2].map(|part| heads.part(qkv, part, head));
    let query = query.subrows(queries.start, count);

    weights(scores, query, key, heads.scale());
    multiply(
        MatMut::from_row_major_slice_mut(score_grads, count, tokens),
        Accum::Replace,
        grad,
        value.transpose(),
        T::ONE,
    );
    let transposed = MatRef::from_row_major_slice(scores, count, tokens).transpose();
    multiply(
        heads.part_mut(out, 2, head),
        Accum::Add,
        transposed,
        grad,
        T::ONE,
    );
    softmax_grad(score_grads, scores, tokens);

    let score_grads = MatRef::from_row_major_slice(score_grads, count, tokens);
    let query_grad = heads
        .part_mut(out, 0, head)
        .subrows_mut(queries.start, count);
    multiply(query_grad, Accum::Replace, score_grads, key, heads.scale());
    let key_grad = heads.part_mut(out, 1, head);
    multiply(
        key_grad,
        Accum::Add,
        score_grads.transpose(),
        query,
        heads.scale(),
    );
}

/// Rows that lie `stride` apart. faer 0.24.4's own row-major constructor exchanges the strides.
fn rows_mut<T: Real>(values: &mut [T], rows: usize, cols: usize, stride: usize) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_with_stride_mut(values, cols, rows, stride).transpose_mut()
}

/// `softmax(factor·query·keyᵀ)` by rows.
fn weights<T: Real>(scores: &mut [T], query: MatRef<'_, T>, key: MatRef<'_, T>, factor: T) {
    let tokens = key.nrows();
    multiply(
        MatMut::from_row_major_slice_mut(scores, query.nrows(), tokens),
        Accum::Replace,
        query,
        key.transpose(),
        factor,
    );
    vectorized(
        #[inline(always)]
        || {
            for row in scores.chunks_exact_mut(tokens) {
                let most = largest(row);
                for score in row.iter_mut() {
                    *score = (most - *score).exp_minus();
                }
                let share = T::ONE / sum(tokens, |index| row[index]);
                for weight in row.iter_mut() {
                    *weight *= share;
                }
            }
        },
    );
}

/// `∂S = P∘(∂P − rowsum(∂P∘P))`, in place of `∂P`.
fn softmax_grad<T: Real>(grads: &mut [T], weights: &[T], tokens: usize) {
    vectorized(
        #[inline(always)]
        || {
            let rows = grads
                .chunks_exact_mut(tokens)
                .zip(weights.chunks_exact(tokens));
            for (grads, weights) in rows {
                let centre = sum(tokens, |index| grads[index] * weights[index]);
                for (grad, weight) in grads.iter_mut().zip(weights) {
                    *grad = *weight * (*grad - centre);
                }
            }
        },
    );
}
