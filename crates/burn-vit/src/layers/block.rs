//! A transformer block.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use burn_patch::layers::{Activation, LayerNorm, LayerNormConfig, Mlp, MlpConfig, XAVIER};
use burn_patch::reduce::{AnyReduce, Reduce, Reduced, Sees};
use burn_patch::tokens::Attend;
use burn_patch::{Noise, Tokens};

use crate::Error;
use crate::layers::attention::{Attention, AttentionConfig, QkvBias};
use crate::layers::drop_path::{DropPath, DropPathConfig};
use crate::layers::layer_scale::{LayerScale, LayerScaleConfig};

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
    #[config(default = "XAVIER")]
    pub initializer: Initializer,
    /// Width in the MLP, in place of `mlp_ratio`.
    pub mlp_hidden: Option<usize>,
    /// What stands in the MLP; none: the exact GELU.
    pub activation: Option<Activation>,
    /// Whether the MLP has a norm before its second layer.
    pub mlp_norm: Option<bool>,
    /// Which of query, key and value have a bias; none: all.
    pub qkv_bias: Option<QkvBias>,
    /// Whether queries and keys are normed by head.
    pub qk_norm: Option<bool>,
}

/// Pre-norm transformer block.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929), eq. 2 and 3;
/// `timm/models/vision_transformer.py` (`Block`).
///
/// # Shapes
///
/// - input and output: tokens of width `dim`; as many, unless a reducer stands between attention and MLP
///
/// # Equation
///
/// `x ← x + drop(γ₁·attn(norm1(x)))`, `x ← reduce(x)`, `x ← x + drop(γ₂·mlp(norm2(x)))`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::tokens::Attend;
/// use burn_vit::layers::BlockConfig;
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let block = BlockConfig::new(8, 2).try_init(&device).unwrap();
/// let tokens = embed.forward(Tensor::zeros([1, 1, 8, 8], &device));
/// let (tokens, _) = block.forward(tokens, &Attend::default(), None);
/// assert_eq!(tokens.embeddings().dims(), [1, 4, 8]);
/// ```
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
}

/// A reducer between the attention and the MLP of a block.
pub struct Inner<'a, 'noise> {
    /// The reducer.
    pub reduce: &'a AnyReduce,
    /// The block's index.
    pub block: usize,
    /// What it draws from.
    pub noise: &'a mut Noise<'noise>,
}

impl BlockConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Heads`], and [`Error::Patch`] for a rate outside `[0, 1)`.
    pub fn try_init(&self, device: &Device) -> Result<Block, Error> {
        let norm = || {
            LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device)
        };
        let scale = || {
            let config = |value| LayerScaleConfig::new(self.dim).with_value(value);
            self.layer_scale.map(|value| config(value).init(device))
        };
        let hidden = (self.dim as f64 * self.mlp_ratio) as usize;
        let hidden = self.mlp_hidden.unwrap_or(hidden);
        let epsilon = |asked: Option<bool>| asked.unwrap_or(false).then_some(self.epsilon);
        Ok(Block {
            norm1: norm(),
            attn: AttentionConfig::new(self.dim, self.heads)
                .with_initializer(self.initializer.clone())
                .with_qkv_bias(self.qkv_bias)
                .with_qk_norm(epsilon(self.qk_norm))
                .try_init(device)?,
            ls1: scale(),
            norm2: norm(),
            mlp: MlpConfig::new(self.dim, hidden)
                .with_initializer(self.initializer.clone())
                .with_activation(self.activation)
                .with_norm(epsilon(self.mlp_norm))
                .init(device),
            ls2: scale(),
            drop_path: DropPathConfig::new(self.drop_path).try_init()?,
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

    /// How much each token takes of each in this block's attention, as [`Attention::weights`].
    ///
    /// # Panics
    ///
    /// If what [`Attend`] holds does not fit the tokens.
    pub fn attention(&self, tokens: &Tokens, attend: &Attend) -> Tensor<4> {
        let normal = self.norm1.forward(tokens.embeddings());
        self.attn
            .weights(normal, attend, tokens.reach_with_prefix())
    }

    /// Runs the block, with a reducer in it if there is one; what that gave besides tokens comes second.
    ///
    /// # Panics
    ///
    /// If what [`Attend`] holds does not fit the tokens, or those of the reducer.
    pub fn forward(
        &self,
        tokens: Tokens,
        attend: &Attend,
        inner: Option<Inner<'_, '_>>,
    ) -> (Tokens, Option<Reduced>) {
        let sees = inner
            .as_ref()
            .map_or(Sees::Tokens, |inner| inner.reduce.sees());
        let (reach, prefix) = (tokens.reach_with_prefix(), tokens.prefix());
        let normal = self.norm1.forward(tokens.embeddings());
        let (branch, seen) = self.attn.forward_seen(normal, attend, reach, sees, prefix);
        let tokens = tokens.map(|x| x + self.drop_path.forward(scaled(&self.ls1, branch)));
        let (tokens, reduced) = match inner {
            None => (tokens, None),
            Some(Inner {
                reduce,
                block,
                noise,
            }) => {
                let reduced = reduce.reduce(tokens, seen, block, noise);
                (reduced.tokens.clone(), Some(reduced))
            }
        };
        let tokens = tokens.map(|x| {
            let branch = self.mlp.forward(self.norm2.forward(x.clone()));
            x + self.drop_path.forward(scaled(&self.ls2, branch))
        });
        (tokens, reduced)
    }
}

fn scaled(scale: &Option<LayerScale>, branch: Tensor<3>) -> Tensor<3> {
    match scale {
        Some(scale) => scale.forward(branch),
        None => branch,
    }
}
