//! Layer normalisation and its gradients on slices, row by row.

use rayon::prelude::*;

use super::Real;
use super::block::{CHUNK, add};
use super::real::sum;
use super::vectorized::vectorized;
use super::zeros::zeros;

/// Gradients of input, scale and shift.
pub(super) struct Grads<T> {
    pub(super) x: Vec<T>,
    pub(super) gamma: Vec<T>,
    pub(super) beta: Vec<T>,
}

/// `(x − μ)/√(σ² + ε)·γ + β` for each row.
pub(super) fn layer_norm<T: Real>(x: &[T], gamma: &[T], beta: &[T], epsilon: f64) -> Vec<T> {
    let dim = gamma.len();
    let chunk = CHUNK.div_ceil(dim) * dim;
    let mut out = zeros(x.len());
    let chunks = out.par_chunks_mut(chunk).zip(x.par_chunks(chunk));
    chunks.for_each(|(out, x)| {
        vectorized(
            #[inline(always)]
            || {
                for (out, x) in out.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
                    let (mean, inverse) = moments(x, epsilon);
                    for (index, out) in out.iter_mut().enumerate() {
                        *out = (x[index] - mean) * inverse * gamma[index] + beta[index];
                    }
                }
            },
        );
    });
    out
}

/// With `x̂ = (x − μ)/σ` and `g = ∂·γ`: `∂x = (g − mean(g) − x̂·mean(g∘x̂))/σ`, `∂γ = Σ ∂∘x̂`, `∂β = Σ ∂`.
/// Sums run chunk by chunk in one order, whichever thread computes them.
pub(super) fn layer_norm_grads<T: Real>(
    x: &[T],
    gamma: &[T],
    grad: &[T],
    epsilon: f64,
) -> Grads<T> {
    let dim = gamma.len();
    let chunk = CHUNK.div_ceil(dim) * dim;
    let mut out = zeros(x.len());
    let inputs = x.par_chunks(chunk).zip(grad.par_chunks(chunk));
    let sums: Vec<[Vec<T>; 2]> = out
        .par_chunks_mut(chunk)
        .zip(inputs)
        .map(|(out, (x, grad))| {
            let mut sums = [(); 2].map(|()| vec![T::default(); dim]);
            vectorized(
                #[inline(always)]
                || chunk_grads(out, x, grad, gamma, epsilon, &mut sums),
            );
            sums
        })
        .collect();
    let mut gamma_sum = vec![T::default(); dim];
    let mut beta_sum = vec![T::default(); dim];
    for [gamma, beta] in &sums {
        add(&mut gamma_sum, gamma);
        add(&mut beta_sum, beta);
    }
    Grads {
        x: out,
        gamma: gamma_sum,
        beta: beta_sum,
    }
}

#[inline(always)]
fn chunk_grads<T: Real>(
    out: &mut [T],
    x: &[T],
    grad: &[T],
    gamma: &[T],
    epsilon: f64,
    [gamma_sum, beta_sum]: &mut [Vec<T>; 2],
) {
    let dim = gamma.len();
    let share = T::ONE / T::of(dim as f64);
    let rows = x.chunks_exact(dim).zip(grad.chunks_exact(dim));
    for (out, (x, grad)) in out.chunks_exact_mut(dim).zip(rows) {
        let (mean, inverse) = moments(x, epsilon);
        let normal = |index: usize| (x[index] - mean) * inverse;
        let scaled = |index: usize| grad[index] * gamma[index];
        let centre = sum(dim, scaled) * share;
        let along = sum(dim, |index| scaled(index) * normal(index)) * share;
        for (index, out) in out.iter_mut().enumerate() {
            *out = (scaled(index) - centre - normal(index) * along) * inverse;
            gamma_sum[index] += grad[index] * normal(index);
            beta_sum[index] += grad[index];
        }
    }
}

/// Mean of a row and `1/√(σ² + ε)`.
#[inline(always)]
fn moments<T: Real>(x: &[T], epsilon: f64) -> (T, T) {
    let share = T::ONE / T::of(x.len() as f64);
    let mean = sum(x.len(), |index| x[index]) * share;
    let variance = sum(x.len(), |index| (x[index] - mean) * (x[index] - mean)) * share;
    (mean, T::ONE / (variance + T::of(epsilon)).sqrt())
}
