//! Burn's layers for their parameters and records, burn-patch's operations for their work.

use burn::nn::{Initializer, LayerNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_patch::ops;

/// A [`Linear`] with the given weights and a zero bias, as timm and MAE initialise them.
pub(crate) fn linear(
    input: usize,
    output: usize,
    weights: &Initializer,
    device: &Device,
) -> Linear {
    let mut linear = LinearConfig::new(input, output)
        .with_initializer(weights.clone())
        .init(device);
    linear.bias = Some(Initializer::Zeros.init([output], device));
    linear
}

/// Applies a linear layer.
pub(crate) fn apply(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    ops::linear(x, layer.weight.val(), bias)
}

/// Applies a layer normalisation, whose epsilon Burn's module keeps to itself.
pub(crate) fn normalize(norm: &LayerNorm, x: Tensor<3>, epsilon: f64) -> Tensor<3> {
    match &norm.beta {
        Some(beta) => ops::layer_norm(x, norm.gamma.val(), beta.val(), epsilon),
        None => norm.forward(x),
    }
}
