use burn::nn::{Initializer, Linear};
use burn::tensor::Device;
use burn_patch::layers;

/// A [`Linear`] with the given weights and a zero bias, as timm and MAE initialise them.
pub(crate) fn linear(
    input: usize,
    output: usize,
    weights: &Initializer,
    device: &Device,
) -> Linear {
    let bias = Some(Initializer::Zeros);
    layers::linear([input, output], weights.clone(), bias, device)
}
