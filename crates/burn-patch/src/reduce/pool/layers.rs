//! Layers that several reducers share.

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};

use crate::layers::linear::{PYTORCH, apply, linear};
use crate::layers::mlp::MlpConfig;

/// The logistic function, by the hyperbolic tangent: Burn 0.22.1 computes its own in `f32` whatever the type.
pub(crate) fn sigmoid(x: Tensor<3>) -> Tensor<3> {
    tanh(x * 0.5) * 0.5 + 0.5
}

/// TokenLearner's two-layer perceptron, `token_masking` in the reference, initialised as scenic's `MlpBlock`: Xavier
/// weights, biases `N(0, 10⁻⁶)`.
pub(crate) fn token_mlp(dim: usize, hidden: usize, tokens: usize) -> MlpConfig {
    let bias = Initializer::Normal {
        mean: 0.0,
        std: 1e-6,
    };
    MlpConfig::new(dim, hidden)
        .with_output(Some(tokens))
        .with_bias_initializer(bias)
}

/// One step of a gated recurrent unit, gates in PyTorch's order: reset, update, new.
///
/// Cho et al., [Learning Phrase Representations](https://arxiv.org/abs/1406.1078v1); PyTorch's `GRUCell`, whose
/// `weight_ih` and `weight_hh` are the transposes of these weights, and `bias_ih` and `bias_hh` these biases.
///
/// # Equation
///
/// `r, z = σ(W·x + U·h)`, `n = tanh(W·x + r⊙(U·h))`, `h ← (1 − z)⊙n + z⊙h`
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::reduce::SlotAttentionConfig;
///
/// let slots = SlotAttentionConfig::new(5, 8).init(&Device::flex());
/// assert_eq!(slots.gru.ih.weight.dims(), [8, 3 * 8]);
/// ```
#[derive(Module, Debug)]
pub struct GruCell {
    /// Input to gates, `dim → 3·dim`.
    pub ih: Linear,
    /// State to gates, `dim → 3·dim`.
    pub hh: Linear,
}

impl GruCell {
    /// Initialised as PyTorch's: everything uniform within `±1/√dim`.
    pub(crate) fn new(dim: usize, device: &Device) -> Self {
        let layer = || linear([dim, 3 * dim], PYTORCH, Some(PYTORCH), device);
        Self {
            ih: layer(),
            hh: layer(),
        }
    }

    pub(crate) fn forward(&self, input: Tensor<3>, state: Tensor<3>) -> Tensor<3> {
        let [_, _, dim] = state.dims();
        let (ih, hh) = (apply(&self.ih, input), apply(&self.hh, state.clone()));
        let gate = |values: &Tensor<3>, index: usize| {
            values.clone().slice_dim(2, index * dim..(index + 1) * dim)
        };
        let reset = sigmoid(gate(&ih, 0) + gate(&hh, 0));
        let update = sigmoid(gate(&ih, 1) + gate(&hh, 1));
        let new = tanh(gate(&ih, 2) + reset * gate(&hh, 2));
        new.clone() + update * (state - new)
    }
}
