//! Configuration of the encoder.

use burn::config::Config;
use burn::nn::Initializer;
use burn::tensor::Device;
use burn_patch::layers::{Activation, LayerNormConfig, XAVIER};
use burn_patch::position::{AnyPositionConfig, Site};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::encoder::drop_rate::drop_rate;
use crate::encoder::encoder::Encoder;
use crate::encoder::encoder_layout::EncoderInput;
use crate::layers::{BlockConfig, QkvBias};
use crate::reduce_at::{ReduceAt, Stage};
use crate::setters::setters;

/// Configuration of [`Encoder`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads; divides the width of the tokens.
    pub heads: usize,
    /// Width of the MLP over the width of the tokens.
    #[serde(default = "mlp_ratio")]
    pub mlp_ratio: f64,
    /// Starting value of LayerScale; none: no LayerScale.
    #[serde(default)]
    pub layer_scale: Option<f64>,
    /// Stochastic depth of the last block; earlier blocks get linearly less, the first none.
    #[serde(default)]
    pub drop_path: f64,
    /// Added to the variance in LayerNorm.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Initialiser of the blocks' linear weights. Xavier as in MAE; timm's default is `N(0, 0.02)`.
    #[serde(default = "xavier")]
    pub initializer: Initializer,
    /// Positions.
    #[serde(default)]
    pub position: AnyPositionConfig,
    /// What reduces the patch tokens, and where.
    #[serde(default)]
    pub reducers: Vec<ReduceAt>,
    /// Width in the MLPs, in place of `mlp_ratio`.
    #[serde(default)]
    pub mlp_hidden: Option<usize>,
    /// What stands in the MLPs.
    #[serde(default)]
    pub activation: Activation,
    /// Whether MLPs have a norm before their second layer (EVA-02).
    #[serde(default)]
    pub mlp_norm: bool,
    /// Which of query, key and value have a bias.
    #[serde(default)]
    pub qkv_bias: QkvBias,
    /// Whether queries and keys are normed by head.
    #[serde(default)]
    pub qk_norm: bool,
    /// Whether there is a norm before the first block, behind positions (CLIP).
    #[serde(default)]
    pub pre_norm: bool,
}

fn mlp_ratio() -> f64 {
    4.0
}

/// timm's epsilon of a ViT's norms.
pub(crate) const EPSILON: f64 = 1e-6;

fn epsilon() -> f64 {
    EPSILON
}

fn xavier() -> Initializer {
    XAVIER
}

impl Config for EncoderConfig {}

impl EncoderConfig {
    /// `depth` blocks of `heads` attention heads, learned positions.
    pub fn new(depth: usize, heads: usize) -> Self {
        Self {
            depth,
            heads,
            mlp_ratio: mlp_ratio(),
            layer_scale: None,
            drop_path: 0.0,
            epsilon: epsilon(),
            initializer: XAVIER,
            position: AnyPositionConfig::default(),
            reducers: Vec::new(),
            mlp_hidden: None,
            activation: Activation::default(),
            mlp_norm: false,
            qkv_bias: QkvBias::default(),
            qk_norm: false,
            pre_norm: false,
        }
    }

    /// Builds the module for such tokens, with a norm at the end if `norm` says so.
    ///
    /// # Errors
    ///
    /// If heads do not divide the width, a rate is out of range, or positions or a reducer do not fit.
    pub fn try_init(
        &self,
        input: &EncoderInput,
        norm: bool,
        device: &Device,
    ) -> Result<Encoder, Error> {
        let dim = input.dim;
        self.check_stages()?;
        let site = Site::over(&input.grid, dim)
            .with_prefix(input.prefix)
            .with_blocks(self.depth, self.heads);
        let reducers = self
            .reducers
            .iter()
            .map(|at| at.try_init(self.depth, device));
        let layer_norm = || {
            LayerNormConfig::new(dim)
                .with_epsilon(self.epsilon)
                .init(device)
        };
        let encoder = Encoder {
            norm_pre: self.pre_norm.then(layer_norm),
            position: self.position.try_init(&site, device)?,
            blocks: (0..self.depth)
                .map(|index| self.block(index, dim).try_init(device))
                .collect::<Result<_, _>>()?,
            reducers: reducers.collect::<Result<_, _>>()?,
            norm: norm.then(layer_norm),
            stages: self.reducers.iter().map(|at| at.stage).collect(),
        };
        encoder.layout(input)?;
        Ok(encoder)
    }

    /// Behind the attention of a block there is room for one.
    fn check_stages(&self) -> Result<(), Error> {
        let inner = self.reducers.iter().enumerate();
        for (index, at) in inner.filter(|(_, at)| matches!(at.stage, Stage::AfterAttention(_))) {
            if self.reducers[..index]
                .iter()
                .any(|other| other.stage == at.stage)
            {
                return Err(Error::ReduceTwice {
                    block: at.stage.block(),
                });
            }
        }
        Ok(())
    }

    fn block(&self, index: usize, dim: usize) -> BlockConfig {
        BlockConfig::new(dim, self.heads)
            .with_mlp_ratio(self.mlp_ratio)
            .with_layer_scale(self.layer_scale)
            .with_drop_path(drop_rate(self.drop_path, index, self.depth))
            .with_epsilon(self.epsilon)
            .with_initializer(self.initializer.clone())
            .with_mlp_hidden(self.mlp_hidden)
            .with_activation(Some(self.activation))
            .with_mlp_norm(Some(self.mlp_norm))
            .with_qkv_bias(Some(self.qkv_bias))
            .with_qk_norm(Some(self.qk_norm))
    }
}

setters!(EncoderConfig {
    /// The width of the MLP over the width of the tokens.
    with_mlp_ratio: mlp_ratio, f64;
    /// The starting value of LayerScale; none: no LayerScale.
    with_layer_scale: layer_scale, Option<f64>;
    /// Stochastic depth of the last block.
    with_drop_path: drop_path, f64;
    /// What is added to the variance in LayerNorm.
    with_epsilon: epsilon, f64;
    /// The initialiser of the blocks' linear weights.
    with_initializer: initializer, Initializer;
    /// Positions.
    with_position: position, AnyPositionConfig;
    /// What reduces the patch tokens, and where.
    with_reducers: reducers, Vec<ReduceAt>;
    /// The width in the MLPs, in place of `mlp_ratio`.
    with_mlp_hidden: mlp_hidden, Option<usize>;
    /// What stands in the MLPs.
    with_activation: activation, Activation;
    /// Whether MLPs have a norm before their second layer.
    with_mlp_norm: mlp_norm, bool;
    /// Which of query, key and value have a bias.
    with_qkv_bias: qkv_bias, QkvBias;
    /// Whether queries and keys are normed by head.
    with_qk_norm: qk_norm, bool;
    /// Whether there is a norm before the first block.
    with_pre_norm: pre_norm, bool;
});

#[cfg(test)]
mod tests {
    use super::*;
    use burn_patch::reduce::{AnyReduceConfig, RandomMaskConfig};

    fn masks(stages: &[Stage]) -> EncoderConfig {
        let mask = AnyReduceConfig::RandomMask(RandomMaskConfig::new(0.5));
        let at = stages.iter().map(|stage| ReduceAt {
            reducer: mask.clone(),
            stage: *stage,
        });
        EncoderConfig::new(3, 2).with_reducers(at.collect())
    }

    #[test]
    fn a_file_of_a_config_loads_and_missing_settings_are_the_defaults() {
        let config: EncoderConfig = serde_json::from_str(r#"{"depth": 2, "heads": 4}"#).unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", EncoderConfig::new(2, 4))
        );
        let text = serde_json::to_string(&masks(&[Stage::BeforeBlock(1)])).unwrap();
        let back: EncoderConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(
            format!("{back:?}"),
            format!("{:?}", masks(&[Stage::BeforeBlock(1)]))
        );
    }
}
