use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, LayerNorm, LayerNormConfig};
use burn::tensor::{Bool, Device, Tensor};

use super::normalize;
use super::{
    Attention, AttentionConfig, DropPath, DropPathConfig, LayerScale, LayerScaleConfig, Mlp,
    MlpConfig,
};
use crate::Error;

/// Configuration of [`Block`].
#[derive(Config, Debug)]
pub struct BlockConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Attention heads; divides `dim`.
    pub heads: usize,
    /// Width of the MLP over `dim`.
    #[config(default = 4.0)]
    pub mlp_ratio: f64,
    /// Starting value of LayerScale; none: no LayerScale.
    pub layer_scale: Option<f64>,
    /// Probability of dropping each residual branch for an image.
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// Added to the variance in LayerNorm.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// Initialiser of the linear weights.
    #[config(default = "Initializer::XavierUniform { gain: 1.0 }")]
    pub initializer: Initializer,
}

/// Pre-norm transformer block.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929), eq. 2 and 3;
/// `timm/models/vision_transformer.py` (`Block`).
///
/// # Shapes
///
/// - tokens `[batch, tokens, dim]`; output: the same shape
///
/// # Equation
///
/// `x ← x + drop(γ₁·attn(norm1(x)))`, `x ← x + drop(γ₂·mlp(norm2(x)))`
#[derive(Module, Debug)]
pub struct Block {
    /// Before attention.
    pub norm1: LayerNorm,
    /// Attention.
    pub attn: Attention,
    /// LayerScale after attention.
    pub ls1: Option<LayerScale>,
    /// Before the MLP.
    pub norm2: LayerNorm,
    /// MLP.
    pub mlp: Mlp,
    /// LayerScale after the MLP.
    pub ls2: Option<LayerScale>,
    drop_path: DropPath,
    epsilon: f64,
}

impl BlockConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Heads`] and [`Error::Rate`].
    pub fn try_init(&self, device: &Device) -> Result<Block, Error> {
        let norm = || {
            LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device)
        };
        let scale = || {
            self.layer_scale.map(|value| {
                LayerScaleConfig::new(self.dim)
                    .with_value(value)
                    .init(device)
            })
        };
        let hidden = (self.dim as f64 * self.mlp_ratio) as usize;
        Ok(Block {
            norm1: norm(),
            attn: AttentionConfig::new(self.dim, self.heads)
                .with_initializer(self.initializer.clone())
                .try_init(device)?,
            ls1: scale(),
            norm2: norm(),
            mlp: MlpConfig::new(self.dim, hidden)
                .with_initializer(self.initializer.clone())
                .init(device),
            ls2: scale(),
            drop_path: DropPathConfig::new(self.drop_path).try_init()?,
            epsilon: self.epsilon,
        })
    }
}

impl Block {
    /// Probability of dropping each residual branch for an image.
    pub fn drop_path(&self) -> f64 {
        self.drop_path.rate
    }

    pub(crate) fn set_drop_path(&mut self, rate: f64) -> Result<(), Error> {
        self.drop_path = DropPathConfig::new(rate).try_init()?;
        Ok(())
    }

    /// Runs the block. `valid` (`[batch, tokens]`) marks the tokens that others may look at.
    pub fn forward(&self, tokens: Tensor<3>, valid: Option<Tensor<2, Bool>>) -> Tensor<3> {
        let branch = self
            .attn
            .forward(normalize(&self.norm1, tokens.clone(), self.epsilon), valid);
        let tokens = tokens + self.drop_path.forward(scaled(&self.ls1, branch));
        let branch = self
            .mlp
            .forward(normalize(&self.norm2, tokens.clone(), self.epsilon));
        tokens + self.drop_path.forward(scaled(&self.ls2, branch))
    }
}

fn scaled(scale: &Option<LayerScale>, branch: Tensor<3>) -> Tensor<3> {
    match scale {
        Some(scale) => scale.forward(branch),
        None => branch,
    }
}
