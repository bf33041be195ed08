//! The perceptron of transformers.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};

use crate::layers::activation::Activation;
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::{XAVIER, apply, linear};

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
    /// What stands between the layers; none: the exact GELU.
    pub activation: Option<Activation>,
    /// Epsilon of a norm before the second layer; none: no norm (EVA-02 has one).
    pub norm: Option<f64>,
}

/// Two linear layers with an activation between, the exact GELU unless asked otherwise.
///
/// Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), section 3.3; timm's `Mlp` and, for a
/// gated activation, `GluMlp` (`timm/layers/mlp.py`), whose parameter names these are.
///
/// # Shapes
///
/// - x `[.., dim]`
/// - result `[.., output]`
///
/// # Equation
///
/// `W₂·norm(f(W₁·x + b₁)) + b₂`, the norm only where there is one
///
/// # Departures
///
/// A gated activation has gate and value side by side in the first layer, the gate first, as in DINOv2's g; EVA-02 keeps
/// two layers.
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
    /// `dim → hidden`, twice that before a gated activation.
    pub fc1: Linear,
    /// Before the second layer.
    pub norm: Option<LayerNorm>,
    /// `hidden → output`.
    pub fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl MlpConfig {
    /// Builds the module.
    pub fn init(&self, device: &Device) -> Mlp {
        let output = self.output.unwrap_or(self.dim);
        let linear = |shape, bias: bool| {
            let bias = bias.then(|| self.bias_initializer.clone());
            linear(shape, self.initializer.clone(), bias, device)
        };
        let activation = self.activation.unwrap_or_default();
        Mlp {
            fc1: linear([self.dim, activation.inputs() * self.hidden], true),
            norm: self.norm.map(|epsilon| {
                let norm = LayerNormConfig::new(self.hidden).with_epsilon(epsilon);
                norm.init(device)
            }),
            fc2: linear([self.hidden, output], self.last_bias),
            activation,
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
        let x = self.activation.apply(apply(&self.fc1, x));
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        apply(&self.fc2, x)
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
    fn a_gate_multiplies_and_a_norm_follows_it() {
        let device = Device::flex();
        let mlp = MlpConfig::new(3, 6)
            .with_activation(Some(Activation::SwiGlu))
            .with_norm(Some(1e-2))
            .init(&device);
        assert_eq!(mlp.fc1.weight.dims(), [3, 12]);
        let x = Tensor::<2>::random([4, 3], Distribution::Default, &device);
        let [gate, value] = {
            let both = mlp.fc1.forward(x.clone());
            [both.clone().slice_dim(1, ..6), both.slice_dim(1, 6..)]
        };
        let gated = gate.clone() * activation::sigmoid(gate) * value;
        let norm = mlp.norm.as_ref().expect("asked for");
        let want = mlp.fc2.forward(norm.forward(gated)).into_data();
        let got = mlp.forward(x).into_data();
        got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn as_many_values_come_out_as_go_in_unless_asked_otherwise() {
        let mlp = MlpConfig::new(3, 6).init(&Device::flex());
        assert_eq!(mlp.fc2.weight.dims(), [6, 3]);
    }
}
