//! How alike features are.

use burn::tensor::Tensor;

/// The mean cosine between rows of `a` and `b`, `[batch, dim]` each.
pub fn cosine(a: Tensor<2>, b: Tensor<2>) -> f32 {
    let norm = |x: &Tensor<2>| x.clone().square().sum_dim(1).sqrt();
    let lengths = norm(&a) * norm(&b);
    ((a * b).sum_dim(1) / lengths).mean().into_scalar()
}
