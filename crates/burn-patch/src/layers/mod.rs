//! Burn's `Linear` and `LayerNorm` for their parameters and records, run by this crate's operations, and a batch norm.

mod batch_norm;
pub(crate) mod epsilon;

use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::ops;

pub use batch_norm::{BatchNorm, BatchNormConfig};

/// A linear layer `[input, output]` with the given weights and, unless there is none, the given bias.
pub fn linear(
    [input, output]: [usize; 2],
    weights: Initializer,
    bias: Option<Initializer>,
    device: &Device,
) -> Linear {
    let mut linear = LinearConfig::new(input, output)
        .with_bias(false)
        .with_initializer(weights)
        .init(device);
    linear.bias = bias.map(|bias| bias.init([output], device));
    linear
}

/// A layer normalisation over the last axis.
pub fn layer_norm(dim: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(dim).with_epsilon(epsilon).init(device)
}

/// Applies a linear layer by [`ops::linear`].
pub fn apply(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    ops::linear(x, layer.weight.val(), bias)
}

/// Applies a layer normalisation by [`ops::layer_norm`]; Burn's module keeps its epsilon to itself.
pub fn normalize(norm: &LayerNorm, x: Tensor<3>, epsilon: f64) -> Tensor<3> {
    match &norm.beta {
        Some(beta) => ops::layer_norm(x, norm.gamma.val(), beta.val(), epsilon),
        None => norm.forward(x),
    }
}
