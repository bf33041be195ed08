//! The perceptron of transformers.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};

use crate::layers::linear::{XAVIER, apply, linear};
use crate::ops::gelu;

/// Configuration of [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Width of what comes in.
    pub dim: usize,
    /// Width in between.
    pub hidden: usize,
    /// Width of what comes out; none: `dim`.
    pub output: Option<usize>,
    /// Initialiser of the weights.
    #[config(default = "XAVIER")]
    pub initializer: Initializer,
    /// Initialiser of the biases.
    #[config(default = "Initializer::Zeros")]
    pub bias_initializer: Initializer,
    /// Whether the second layer has a bias.
    #[config(default = true)]
    pub last_bias: bool,
}

/// Two linear layers with an exact GELU between.
///
/// Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), section 3.3; timm's `Mlp`
/// (`timm/layers/mlp.py`), whose parameter names these are.
///
/// # Shapes
///
/// - x `[.., dim]`
/// - result `[.., output]`
///
/// # Equation
///
/// `W₂·GELU(W₁·x + b₁) + b₂`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::layers::MlpConfig;
///
/// let mlp = MlpConfig::new(8, 32).with_output(Some(5)).init(&Device::flex());
/// let y = mlp.forward(Tensor::<3>::zeros([2, 7, 8], &Device::flex()));
/// assert_eq!(y.dims(), [2, 7, 5]);
/// ```
#[derive(Module, Debug)]
pub struct Mlp {
    /// `dim → hidden`.
    pub fc1: Linear,
    /// `hidden → output`.
    pub fc2: Linear,
}

impl MlpConfig {
    /// Builds the module.
    pub fn init(&self, device: &Device) -> Mlp {
        let output = self.output.unwrap_or(self.dim);
        let linear = |shape, bias: bool| {
            let bias = bias.then(|| self.bias_initializer.clone());
            linear(shape, self.initializer.clone(), bias, device)
        };
        Mlp {
            fc1: linear([self.dim, self.hidden], true),
            fc2: linear([self.hidden, output], self.last_bias),
        }
    }
}

impl Mlp {
    /// Applies the layers over the last axis.
    ///
    /// # Panics
    ///
    /// If the last axis of `x` is not `dim`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        apply(&self.fc2, gelu(apply(&self.fc1, x)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;

    #[rstest]
    fn it_is_a_gelu_between_two_linear_layers(#[values(true, false)] last_bias: bool) {
        let device = Device::flex();
        let mlp = MlpConfig::new(3, 6)
            .with_output(Some(2))
            .with_bias_initializer(XAVIER)
            .with_last_bias(last_bias)
            .init(&device);
        assert_eq!(mlp.fc2.bias.is_some(), last_bias);
        let x = Tensor::<2>::random([4, 3], Distribution::Default, &device);
        let want = activation::gelu(mlp.fc1.forward(x.clone()));
        let want = mlp.fc2.forward(want).into_data();
        let got = mlp.forward(x).into_data();
        got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn as_many_values_come_out_as_go_in_unless_asked_otherwise() {
        let mlp = MlpConfig::new(3, 6).init(&Device::flex());
        assert_eq!(mlp.fc2.weight.dims(), [6, 3]);
    }
}
