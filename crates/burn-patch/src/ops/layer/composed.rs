//! [`LayerOps`](crate::ops::LayerOps) from a backend's own tensor operations.

use core::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, FloatDType, Shape};

use crate::ops::dims::dims;
use crate::ops::{Bias, NormGrads, ParameterGrads, PartOps};

pub(crate) fn gelu_grad<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let scaled = B::float_mul_scalar(x.clone(), FRAC_1_SQRT_2.into());
    let erf = B::float_erf(scaled.clone());
    let cdf = B::float_add_scalar(B::float_mul_scalar(erf, 0.5.into()), 0.5.into());
    let exponent = B::float_neg(B::float_mul(scaled.clone(), scaled));
    let scale = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 / 2.0;
    let density = B::float_mul_scalar(B::float_exp(exponent), scale.into());
    let slope = B::float_add(cdf, B::float_mul(x, density));
    B::float_mul(grad, slope)
}

pub(crate) fn linear<B: PartOps>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
) -> FloatTensor<B> {
    let [_, output] = dims(&weight);
    let product = B::product(x, weight);
    match bias {
        Bias::Absent => product,
        Bias::Present(bias) => {
            B::float_add(product, B::float_reshape(bias, Shape::new([1, output])))
        }
    }
}

pub(crate) fn linear_x_grad<B: PartOps>(
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    B::product(grad, B::float_transpose(weight))
}

pub(crate) fn linear_parameter_grads<B: PartOps>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> ParameterGrads<B> {
    ParameterGrads {
        weight: B::product(B::float_transpose(x), grad.clone()),
        bias: B::linear_bias_backward(grad),
    }
}

/// Half precision is computed in single.
pub(crate) fn layer_norm<B: PartOps>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let dtype = x.dtype();
    if is_half(dtype) {
        let [x, gamma, beta] = [x, gamma, beta].map(|half| B::float_cast(half, FloatDType::F32));
        return B::float_cast(layer_norm::<B>(x, gamma, beta, epsilon), dtype.into());
    }
    B::norm_rows(x, gamma, beta, epsilon)
}

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// With `x̂ = (x − μ)/σ`: `∂γ = Σ ∂∘x̂`, `∂β = Σ ∂`. Half precision is computed in single.
pub(crate) fn layer_norm_grads<B: PartOps>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    grad: FloatTensor<B>,
    epsilon: f64,
) -> NormGrads<B> {
    let dtype = x.dtype();
    if is_half(dtype) {
        let [x, gamma, grad] = [x, gamma, grad].map(|half| B::float_cast(half, FloatDType::F32));
        let NormGrads { x, gamma, beta } = layer_norm_grads::<B>(x, gamma, grad, epsilon);
        let [x, gamma, beta] = [x, gamma, beta].map(|grad| B::float_cast(grad, dtype.into()));
        return NormGrads { x, gamma, beta };
    }
    let [_, dim] = dims(&x);
    let (x, product) = B::norm_rows_grads(x, gamma, grad.clone(), epsilon);
    let sum = |rows| B::float_reshape(B::float_sum_dim(rows, 0), Shape::new([dim]));
    NormGrads {
        x,
        gamma: sum(product),
        beta: sum(grad),
    }
}
