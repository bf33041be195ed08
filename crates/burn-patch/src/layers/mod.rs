//! Layers whose parameters are named as Burn's, run by this crate's operations.

pub(crate) mod layer_norm;

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::ops;

pub use layer_norm::{LayerNorm, LayerNormConfig};

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

/// Applies a linear layer by [`ops::linear`].
pub fn apply(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    ops::linear(x, layer.weight.val(), bias)
}
