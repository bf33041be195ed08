use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::layers::{apply, linear};
use burn_patch::ops::gelu;

/// Configuration of [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Width in between.
    pub hidden: usize,
    /// Initialiser of the weights; biases start at 0.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub initializer: Initializer,
}

/// Two linear layers with an exact GELU between, timm's `Mlp`.
///
/// # Shapes
///
/// - tokens `[batch, tokens, dim]`, the same out
///
/// # Equation
///
/// `fc2(GELU(fc1(x)))`
#[derive(Module, Debug)]
pub struct Mlp {
    /// `dim → hidden`.
    pub fc1: Linear,
    /// `hidden → dim`.
    pub fc2: Linear,
}

impl MlpConfig {
    /// Builds the module.
    pub fn init(&self, device: &Device) -> Mlp {
        let linear = |shape| {
            let zeros = Some(Initializer::Zeros);
            linear(shape, self.initializer.clone(), zeros, device)
        };
        Mlp {
            fc1: linear([self.dim, self.hidden]),
            fc2: linear([self.hidden, self.dim]),
        }
    }
}

impl Mlp {
    /// Applies the layers to each token.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        apply(&self.fc2, gelu(apply(&self.fc1, tokens)))
    }
}
