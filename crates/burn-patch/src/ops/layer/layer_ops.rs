//! What a backend implements for a transformer's layers: traits of the operations and of their gradients.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};

use crate::ops::layer::attention::{self, AttentionGrads, AttentionInputs, TrackedBiases};
use crate::ops::layer::composed;
use crate::ops::patch::{Bias, ParameterGrads};
use crate::ops::{PartOps, Recorded, rows};

/// The operations of a transformer's layers, with a default for every backend composed of Burn's own.
///
/// Burn has most of them; here their gradients are written by hand, so that a backend can do each
/// in one pass, and GELU's gradient is exact: Burn 0.22.1 takes the tanh approximation's on every
/// backend but Flex and LibTorch, which is off by up to 6·10⁻⁴.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(feature = "cubecl"),
    Remote: cfg(feature = "remote"),
    Autodiff: cfg(feature = "autodiff"),
)]
pub trait LayerOps: PartOps {
    /// `x·Φ(x)`, `Φ` the standard normal distribution function.
    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu(x)
    }

    /// `x·W + b`: x `[rows, input]`, weight `[input, output]`, bias `[output]`.
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
    ) -> FloatTensor<Self> {
        composed::linear::<Self>(x, weight, bias)
    }

    /// `softmax(scale·Q·Kᵀ + bias + key bias)·V` per head over the keys in reach, `[batch, queries, heads·width]`.
    fn attention_forward(#[extension_type] inputs: AttentionInputs<Self>) -> FloatTensor<Self> {
        attention::composed::attention::<Self>(inputs)
    }

    /// Normalises each row: x `[rows, dim]`, gamma and beta `[dim]`.
    fn layer_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        composed::layer_norm::<Self>(x, gamma, beta, epsilon)
    }

    /// The mean over rows of `−(1 − s)·log p_y − s/K·Σ log p`: logits `[rows, classes]`, classes `[rows]`, result `[1]`.
    fn cross_entropy_forward(
        logits: FloatTensor<Self>,
        classes: IntTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        Self::cross_entropy(logits, classes, smoothing)
    }

    /// Rows by index: values `[batch or 1, rows, dim]`, index `[batch, kept]`, result `[batch, kept, dim]`.
    fn gather_rows(values: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        rows::gather::<Self>(values, index)
    }
}

/// Gradients of [`LayerOps::layer_norm_forward`].
#[derive(Debug, Clone)]
pub struct NormGrads<B: Backend> {
    /// Of the input.
    pub x: FloatTensor<B>,
    /// Of the scale.
    pub gamma: FloatTensor<B>,
    /// Of the shift.
    pub beta: FloatTensor<B>,
}

/// The backward half of [`LayerOps`], which its autodiff implementation calls on the backend below. A backend that
/// records gradients itself can keep what it needs for them between the two passes.
pub trait LayerGrads: LayerOps {
    /// `∂·(Φ(x) + x·φ(x))`, `φ` the standard normal density.
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::gelu_grad::<Self>(x, grad)
    }

    /// Of the linear layer's input.
    fn linear_x_grad(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::linear_x_grad::<Self>(weight, grad)
    }

    /// Of the linear layer's weight and bias.
    fn linear_parameter_grads(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> ParameterGrads<Self> {
        composed::linear_parameter_grads::<Self>(x, grad)
    }

    /// [`LayerOps::attention_forward`] where gradients will be asked for.
    fn attention_tracked(inputs: AttentionInputs<Self>) -> Recorded<Self> {
        Recorded::without_tape(Self::attention_forward(inputs))
    }

    /// Of attention's query, key and value, and of the biases that are tracked, from what
    /// [`attention_tracked`](Self::attention_tracked) kept or from the inputs.
    fn attention_grads(
        inputs: AttentionInputs<Self>,
        _kept: Vec<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
        tracked: TrackedBiases,
    ) -> AttentionGrads<Self> {
        attention::composed::attention_grads::<Self>(inputs, grad, tracked)
    }

    /// [`LayerOps::layer_norm_forward`] where gradients will be asked for.
    fn layer_norm_tracked(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> Recorded<Self> {
        Recorded::without_tape(Self::layer_norm_forward(x, gamma, beta, epsilon))
    }

    /// Of the layer normalisation's input, scale and shift, from what
    /// [`layer_norm_tracked`](Self::layer_norm_tracked) kept or from the input.
    fn layer_norm_grads(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        _kept: Vec<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> NormGrads<Self> {
        composed::layer_norm_grads::<Self>(x, gamma, grad, epsilon)
    }

    /// Of the values that [`LayerOps::gather_rows`] takes rows of, of this shape.
    fn gather_rows_grad(
        shape: [usize; 3],
        index: IntTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        rows::gather_grad::<Self>(shape, index, grad)
    }
}
