//! A trained factor per channel.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use burn_patch::ops::dequantized;

/// Configuration of [`LayerScale`].
#[derive(Config, Debug)]
pub struct LayerScaleConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Starting value.
    #[config(default = 1e-5)]
    pub value: f64,
}

/// A trained factor per channel on a residual branch.
///
/// Touvron et al., [Going deeper with Image Transformers](https://arxiv.org/abs/2103.17239), eq. 4;
/// timm's `LayerScale`.
///
/// # Shapes
///
/// - tokens `[batch, tokens, dim]`, output: the same shape
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::layers::LayerScaleConfig;
///
/// let device = Device::flex();
/// let scale = LayerScaleConfig::new(2).with_value(0.5).init(&device);
/// let tokens = Tensor::<3>::from_floats([[[1.0, 4.0]]], &device);
/// scale.forward(tokens).into_data().assert_eq(&[[[0.5f32, 2.0]]].into(), true);
/// ```
#[derive(Module, Debug)]
pub struct LayerScale {
    /// The factors, `[dim]`.
    pub gamma: Param<Tensor<1>>,
}

impl LayerScaleConfig {
    /// Builds the module.
    pub fn init(&self, device: &Device) -> LayerScale {
        let initializer = Initializer::Constant { value: self.value };
        LayerScale {
            gamma: initializer.init([self.dim], device),
        }
    }
}

impl LayerScale {
    /// Scales.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        tokens * dequantized(self.gamma.val()).unsqueeze()
    }
}
