//! [`LayerOps`](crate::ops::LayerOps) from a backend's own tensor operations.

use core::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

use crate::ops::{Bias, NormGrads, ParameterGrads};

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

pub(crate) fn linear<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
) -> FloatTensor<B> {
    B::linear(x, weight, bias.into_option())
}

pub(crate) fn linear_x_grad<B: Backend>(
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    B::linear_x_backward(weight, grad)
}

pub(crate) fn linear_parameter_grads<B: Backend>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> ParameterGrads<B> {
    ParameterGrads {
        weight: B::linear_weight_backward(x, grad.clone()),
        bias: B::linear_bias_backward(grad),
    }
}

pub(crate) fn attention<B: Backend>(qkv: FloatTensor<B>, heads: usize) -> FloatTensor<B> {
    let [query, key, value] = split_heads::<B>(qkv, heads);
    let weights = attention_weights::<B>(query, key);
    merge_heads::<B>(B::float_matmul(weights, value))
}

/// With `P = softmax(S)`, `S = Q·Kᵀ/√width` and `O = P·V`: `∂V = Pᵀ·∂O`, `∂P = ∂O·Vᵀ`,
/// `∂S = P∘(∂P − rowsum(∂P∘P))`, `∂Q = ∂S·K/√width`, `∂K = ∂Sᵀ·Q/√width`.
pub(crate) fn attention_grad<B: Backend>(
    qkv: FloatTensor<B>,
    grad: FloatTensor<B>,
    heads: usize,
) -> FloatTensor<B> {
    let [batch, tokens, dim] = dims(&grad);
    let width = dim / heads;
    let [query, key, value] = split_heads::<B>(qkv, heads);
    let grad = B::float_reshape(grad, Shape::new([batch, tokens, heads, width]));
    let grad = B::float_swap_dims(grad, 1, 2);
    let weights = attention_weights::<B>(query.clone(), key.clone());

    let value_grad = B::float_matmul(transpose::<B>(weights.clone()), grad.clone());
    let weights_grad = B::float_matmul(grad, transpose::<B>(value));
    let product = B::float_mul(weights_grad.clone(), weights.clone());
    let centre = B::float_sum_dim(product, 3);
    let scores_grad = B::float_mul(weights, B::float_sub(weights_grad, centre));
    let scores_grad = B::float_mul_scalar(scores_grad, scale(width).into());
    let query_grad = B::float_matmul(scores_grad.clone(), key);
    let key_grad = B::float_matmul(transpose::<B>(scores_grad), query);

    let parts = [query_grad, key_grad, value_grad].map(|part| {
        B::float_reshape(
            B::float_swap_dims(part, 1, 2),
            Shape::new([batch, tokens, 1, heads, width]),
        )
    });
    let qkv = B::float_cat(Vec::from(parts), 2);
    B::float_reshape(qkv, Shape::new([batch, tokens, 3 * dim]))
}

pub(crate) fn layer_norm<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    B::layer_norm(x, gamma, Some(beta), epsilon)
}

/// With `x̂ = (x − μ)/σ` and `g = ∂·γ`: `∂x = (g − mean(g) − x̂·mean(g∘x̂))/σ`, `∂γ = Σ ∂∘x̂`, `∂β = Σ ∂`.
pub(crate) fn layer_norm_grads<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    grad: FloatTensor<B>,
    epsilon: f64,
) -> NormGrads<B> {
    let [_, dim] = dims(&x);
    let centred = B::float_sub(x.clone(), B::float_mean_dim(x, 1));
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred.clone()), 1);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, epsilon.into()));
    let normal = B::float_div(centred, deviation.clone());

    let scaled = B::float_mul(grad.clone(), B::float_reshape(gamma, Shape::new([1, dim])));
    let mean = B::float_mean_dim(scaled.clone(), 1);
    let along = B::float_mean_dim(B::float_mul(scaled.clone(), normal.clone()), 1);
    let across = B::float_sub(
        B::float_sub(scaled, mean),
        B::float_mul(normal.clone(), along),
    );
    let sum = |rows| B::float_reshape(B::float_sum_dim(rows, 0), Shape::new([dim]));
    NormGrads {
        x: B::float_div(across, deviation),
        gamma: sum(B::float_mul(grad.clone(), normal)),
        beta: sum(grad),
    }
}

/// `[batch, tokens, 3·heads·width]` → query, key and value, `[batch, heads, tokens, width]` each.
fn split_heads<B: Backend>(qkv: FloatTensor<B>, heads: usize) -> [FloatTensor<B>; 3] {
    let [batch, tokens, values] = dims(&qkv);
    let width = values / 3 / heads;
    let qkv = B::float_reshape(qkv, Shape::new([batch, tokens, 3, heads, width]));
    let qkv = B::float_permute(qkv, &[2, 0, 3, 1, 4]);
    [0, 1, 2].map(|part| {
        let all = [part..part + 1, 0..batch, 0..heads, 0..tokens, 0..width];
        let part = B::float_slice(qkv.clone(), &all.map(Slice::from));
        B::float_reshape(part, Shape::new([batch, heads, tokens, width]))
    })
}

/// `[batch, heads, tokens, width]` → `[batch, tokens, heads·width]`.
fn merge_heads<B: Backend>(context: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, heads, tokens, width] = dims(&context);
    let context = B::float_swap_dims(context, 1, 2);
    B::float_reshape(context, Shape::new([batch, tokens, heads * width]))
}

fn attention_weights<B: Backend>(query: FloatTensor<B>, key: FloatTensor<B>) -> FloatTensor<B> {
    let [.., width] = dims::<_, 4>(&query);
    let query = B::float_mul_scalar(query, scale(width).into());
    B::softmax(B::float_matmul(query, transpose::<B>(key)), 3)
}

fn scale(width: usize) -> f64 {
    (width as f64).powf(-0.5)
}

fn transpose<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(tensor, 2, 3)
}

fn dims<T: TensorMetadata, const D: usize>(tensor: &T) -> [usize; D] {
    tensor.shape().dims()
}
