//! What a backend implements for the parts of composed layers.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata, backend_extension};

use crate::ops::parts::composed;

/// The parts of composed layers, with a default for every backend composed of Burn's own operations.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(feature = "cubecl"),
    Remote: cfg(feature = "remote"),
    Fusion: cfg(feature = "fusion"),
    Autodiff: cfg(feature = "autodiff"),
)]
pub trait PartOps: Backend {
    /// `left·right` over the last two axes; an axis before them may be 1 on one side.
    #[fusion(dtype = left, shape = composed::product_shape(left, right))]
    fn product(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(left, right)
    }

    /// `softmax(scale·Q·Kᵀ)·V` per head: query `[batch, heads, queries, width]`, key and value `[batch, heads, keys, width]`.
    #[fusion(dtype = query, shape = query)]
    fn attend(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        composed::attend::<Self>(
            [query, key, value],
            scale,
            Self::product,
            Self::softmax_rows,
        )
    }

    /// `exp(s)/Σexp(s)` over the last axis.
    #[fusion(dtype = scores, shape = scores)]
    fn softmax_rows(scores: FloatTensor<Self>) -> FloatTensor<Self> {
        let axis = scores.shape().num_dims() - 1;
        Self::softmax(scores, axis)
    }

    /// The gradient of [`softmax_rows`](Self::softmax_rows), from its result: `w∘(∂ − Σ ∂∘w)`.
    #[fusion(dtype = weights, shape = weights)]
    fn softmax_rows_grad(weights: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::softmax_rows_grad::<Self>(weights, grad)
    }

    /// `γ∘(x − μ)/σ + β` for each row: x `[rows, dim]`, gamma and beta `[dim]`.
    #[fusion(dtype = x, shape = x)]
    fn norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::layer_norm(x, gamma, Some(beta), epsilon)
    }

    /// The gradient of [`norm_rows`](Self::norm_rows) for x, and `∂∘(x − μ)/σ`, whose sum over rows is that for gamma.
    #[fusion(meta = |x, _gamma, _grad, _epsilon| (x.clone(), x.clone()))]
    fn norm_rows_grads(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::norm_rows_grads::<Self>(x, gamma, grad, epsilon)
    }

    /// The mean over rows of `−(1 − s)·log p_y − s/K·Σ log p`: logits `[rows, classes]`, classes `[rows]`, result `[1]`.
    #[fusion(dtype = logits, shape = burn::tensor::Shape::new([1]))]
    fn cross_entropy(
        logits: FloatTensor<Self>,
        classes: IntTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        composed::cross_entropy::<Self>(logits, classes, smoothing)
    }

    /// The gradient of [`cross_entropy`](Self::cross_entropy) for the logits, from that of the result, `[1]`.
    #[fusion(dtype = logits, shape = logits)]
    fn cross_entropy_grad(
        logits: FloatTensor<Self>,
        classes: IntTensor<Self>,
        grad: FloatTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        composed::cross_entropy_grad::<Self>(logits, classes, grad, smoothing)
    }
}
