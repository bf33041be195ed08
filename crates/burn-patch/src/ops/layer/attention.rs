//! Self-attention as one operation.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::ops::LayerOps;

/// Multi-head self-attention from a fused projection, every token looking at every token.
///
/// Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), eq. 1.
///
/// # Shapes
///
/// - qkv `[batch, tokens, 3·heads·width]`: query, key, value, each head after head, as in timm
/// - result `[batch, tokens, heads·width]`
///
/// # Equation
///
/// `softmax(Q·Kᵀ/√width)·V`, heads side by side.
///
/// # Panics
///
/// If `3·heads` does not divide the last axis.
pub fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    let [_, _, values] = qkv.dims();
    assert!(
        heads > 0 && values.is_multiple_of(3 * heads),
        "expected 3 · {heads} heads to divide the last axis, got {values}"
    );
    Tensor::from_dispatch(<Dispatch as LayerOps>::attention_forward(
        qkv.into_dispatch(),
        heads,
    ))
}
