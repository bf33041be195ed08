use burn::nn::{Initializer, Linear};
use burn::tensor::Device;

use crate::layers;

/// The references' `trunc_normal_(std=.02)`, which cuts at ±2, a hundred deviations out.
pub(crate) const NORMAL: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

/// A linear layer with weights `N(0, 0.02)` and a zero bias, if any.
pub(crate) fn linear(input: usize, output: usize, bias: bool, device: &Device) -> Linear {
    let bias = bias.then_some(Initializer::Zeros);
    layers::linear([input, output], NORMAL, bias, device)
}
