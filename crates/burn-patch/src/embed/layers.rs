//! Burn's layers for their parameters and records, this crate's operations for their work.

use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::ops;

/// PyTorch's epsilon for layer normalisation.
pub(super) const EPSILON: f64 = 1e-5;

/// The references' `trunc_normal_(std=.02)`, which cuts at ±2, a hundred deviations out.
pub(super) const NORMAL: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

/// A linear layer with weights `N(0, 0.02)` and a zero bias, if any.
pub(super) fn linear(input: usize, output: usize, bias: bool, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(input, output)
        .with_bias(bias)
        .with_initializer(NORMAL)
        .init(device);
    linear.bias = bias.then(|| Initializer::Zeros.init([output], device));
    linear
}

pub(super) fn layer_norm(dim: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(dim).with_epsilon(epsilon).init(device)
}

/// Applies a linear layer.
pub(super) fn apply(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    ops::linear(x, layer.weight.val(), bias)
}

/// Applies a layer normalisation, whose epsilon Burn's module keeps to itself.
pub(super) fn normalize(norm: &LayerNorm, x: Tensor<3>, epsilon: f64) -> Tensor<3> {
    match &norm.beta {
        Some(beta) => ops::layer_norm(x, norm.gamma.val(), beta.val(), epsilon),
        None => norm.forward(x),
    }
}
