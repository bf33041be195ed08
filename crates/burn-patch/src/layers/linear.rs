//! Linear layers: Burn's module for parameters and records, this crate's operation to run it.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::ops;

/// The references' `trunc_normal_(std=.02)`, which cuts at ±2, a hundred deviations out.
pub const NORMAL: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

/// Glorot's, as the JAX references and MAE have it.
pub const XAVIER: Initializer = Initializer::XavierUniform { gain: 1.0 };

/// PyTorch's for weight and bias of a layer: uniform within `±1/√input`.
pub const PYTORCH: Initializer = Initializer::KaimingUniform {
    gain: 0.577_350_269_189_625_8, // 1/√3
    fan_out_only: false,
};

/// A linear layer `[input, output]` with the given weights and, unless there is none, the given bias.
///
/// ```
/// use burn::nn::Initializer;
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::layers::{NORMAL, apply, linear};
///
/// let device = Device::flex();
/// let layer = linear([3, 5], NORMAL, Some(Initializer::Ones), &device);
/// let y = apply(&layer, Tensor::<2>::zeros([2, 3], &device));
/// y.into_data().assert_eq(&[[1.0f32; 5]; 2].into(), true);
/// ```
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
    linear.bias = bias.map(|bias| bias.init_with([output], Some(input), Some(output), device));
    linear
}

/// Applies a linear layer by [`ops::linear`], `[.., input]` to `[.., output]`.
///
/// # Panics
///
/// If the last axis of `x` is not the layer's input.
pub fn apply<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    ops::linear(x, layer.weight.val(), bias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytorchs_initialiser_is_the_default_of_burn() {
        let default = LinearConfig::new(1, 1).initializer;
        assert_eq!(format!("{PYTORCH:?}"), format!("{default:?}"));
    }

    #[test]
    fn pytorchs_bias_is_bounded_by_the_width_of_the_input() {
        let layer = linear([100, 2000], PYTORCH, Some(PYTORCH), &Device::flex());
        let largest = |values: Tensor<1>| values.abs().max().into_scalar::<f32>();
        let weight = largest(layer.weight.val().reshape([-1]));
        let bias = largest(layer.bias.expect("given").val());
        assert!((0.099..=0.1).contains(&weight), "{weight}");
        assert!((0.099..=0.1).contains(&bias), "{bias}");
    }
}
