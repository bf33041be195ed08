//! Layer normalisation.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::ops;

/// Configuration of [`LayerNorm`].
#[derive(Config, Debug)]
pub struct LayerNormConfig {
    /// Width of what is normalised.
    pub dim: usize,
    /// Added to the variance. The default is PyTorch's.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Whether there is an offset.
    #[config(default = true)]
    pub bias: bool,
}

/// Layer normalisation over the last axis, by [`ops::layer_norm`].
///
/// Ba et al., [Layer Normalization](https://arxiv.org/abs/1607.06450), eq. 4; PyTorch's `LayerNorm`. Name and parameters
/// are those of Burn's `LayerNorm`, so records and checkpoints of either load into the other.
///
/// # Shapes
///
/// - x `[.., dim]`, output: the same shape
///
/// # Equation
///
/// `γ·(x − mean(x))/√(var(x) + epsilon) + β`, with `1/dim` in the variance.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::layers::LayerNormConfig;
///
/// let norm = LayerNormConfig::new(2).with_epsilon(0.0).init(&Device::flex());
/// let x = Tensor::<2>::from_floats([[1.0, 3.0], [9.0, -1.0]], &Device::flex());
/// norm.forward(x).into_data().assert_eq(&[[-1.0f32, 1.0], [1.0, -1.0]].into(), true);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LayerNorm {
    /// The factors, `[dim]`.
    pub gamma: Param<Tensor<1>>,
    /// The offsets, `[dim]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNormConfig {
    /// Builds the module: factors 1, offsets 0.
    pub fn init(&self, device: &Device) -> LayerNorm {
        LayerNorm {
            gamma: Initializer::Ones.init([self.dim], device),
            beta: self
                .bias
                .then(|| Initializer::Zeros.init([self.dim], device)),
            epsilon: self.epsilon,
        }
    }
}

impl LayerNorm {
    /// Normalises.
    ///
    /// # Panics
    ///
    /// If the last axis of `x` is not as long as `gamma`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let gamma = self.gamma.val();
        let beta = match &self.beta {
            Some(beta) => beta.val(),
            None => gamma.zeros_like(),
        };
        ops::layer_norm(x, gamma, beta, self.epsilon)
    }
}

impl ModuleDisplay for LayerNorm {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [dim] = self.gamma.dims();
        content
            .add("dim", &dim)
            .add("epsilon", &self.epsilon)
            .add("bias", &self.beta.is_some())
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Distribution, Tolerance};
    use rstest::rstest;

    fn assert_same<const D: usize>(shape: [usize; D], dtype: DType, bias: bool) {
        let device = Device::flex();
        let mut ours = LayerNormConfig::new(6)
            .with_epsilon(0.25)
            .with_bias(bias)
            .init(&device);
        let mut theirs = burn::nn::LayerNormConfig::new(6)
            .with_epsilon(0.25)
            .with_bias(bias)
            .init(&device);
        let options = (&device, dtype);
        let parameter = || {
            let values = Tensor::<1>::random([6], Distribution::Default, options);
            Param::from_tensor(values)
        };
        ours.gamma = parameter();
        ours.beta = ours.beta.map(|_| parameter());
        theirs.gamma = ours.gamma.clone();
        theirs.beta.clone_from(&ours.beta);
        let x = Tensor::<D>::random(shape, Distribution::Normal(1.0, 2.0), options);
        let tolerance = match dtype {
            DType::F16 => Tolerance::<f32>::rel_abs(1e-3, 1e-3),
            _ => Tolerance::rel_abs(1e-5, 1e-6),
        };
        let want = theirs.forward(x.clone()).into_data();
        ours.forward(x)
            .into_data()
            .assert_approx_eq(&want, tolerance);
    }

    #[rstest]
    fn it_is_that_of_burn_at_any_rank(
        #[values(true, false)] bias: bool,
        #[values(DType::F32, DType::F64, DType::F16)] dtype: DType,
    ) {
        assert_same([6], dtype, bias);
        assert_same([5, 6], dtype, bias);
        assert_same([2, 5, 6], dtype, bias);
        assert_same([2, 3, 4, 6], dtype, bias);
    }

    #[test]
    fn it_shows_its_settings() {
        let norm = LayerNormConfig::new(6).init(&Device::flex());
        assert_eq!(
            format!("{norm}"),
            "LayerNorm {dim: 6, epsilon: 0.00001, bias: true, params: 12}"
        );
    }
}
