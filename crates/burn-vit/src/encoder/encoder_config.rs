//! Configuration of the encoder.

use burn::config::Config;
use burn::nn::Initializer;
use burn::tensor::Device;
use burn_patch::layers::{Activation, LayerNormConfig, XAVIER};
use burn_patch::position::{AnyPositionConfig, BlockWindows, Site};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::encoder::drop_rate::drop_rate;
use crate::encoder::encoder::Encoder;
use crate::encoder::encoder_layout::EncoderInput;
use crate::layers::{BlockConfig, QkvBias};
use crate::reduce_at::ReduceAt;
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
    /// Positions within attention, besides [`position`](Self::position): EVA-02 has a table and rotation.
    #[serde(default)]
    pub position_within: Option<AnyPositionConfig>,
    /// Windows within which some blocks attend (ViTDet, SAM); none: all attend to the whole grid.
    #[serde(default)]
    pub windows: Option<BlockWindows>,
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
            position_within: None,
            windows: None,
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
        let site = Site::over(&input.grid, dim)
            .with_prefix(input.prefix)
            .with_blocks(self.depth, self.heads)
            .with_windows(self.windows);
        let (reducers, stages) = ReduceAt::try_init_all(&self.reducers, self.depth, device)?;
        let layer_norm = || {
            LayerNormConfig::new(dim)
                .with_epsilon(self.epsilon)
                .init(device)
        };
        let encoder = Encoder {
            norm_pre: self.pre_norm.then(layer_norm),
            position: self.position.try_init(&site, device)?,
            position_within: match &self.position_within {
                Some(within) => Some(within.try_init(&site, device)?),
                None => None,
            },
            blocks: (0..self.depth)
                .map(|index| self.block(index, dim).try_init(device))
                .collect::<Result<_, _>>()?,
            reducers,
            norm: norm.then(layer_norm),
            stages,
            windows: self.windows,
        };
        encoder.layout(input)?;
        Ok(encoder)
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
    /// Positions within attention, besides the others.
    with_position_within: position_within, Option<AnyPositionConfig>;
    /// Windows within which some blocks attend.
    with_windows: windows, Option<BlockWindows>;
});

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tensor};
    use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
    use burn_patch::position::POSITIONS;
    use burn_patch::reduce::{AnyReduceConfig, RandomMaskConfig};

    use crate::reduce_at::Stage;
    use crate::vit_config::VitConfig;

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

    /// A ViT over 2×3 patches behind a class token, with positions of that name.
    fn vit(name: &str, depth: usize) -> VitConfig {
        let position = AnyPositionConfig::by_name(name).unwrap();
        VitConfig::new(
            [8, 12],
            EncoderConfig::new(depth, 2).with_position(position),
        )
    }

    #[test]
    fn a_vit_runs_and_learns_with_every_position() {
        let device = Device::flex().autodiff();
        for entry in POSITIONS {
            let embed = LinearPatchEmbedConfig::new([4, 4], 1, 16).init(&device);
            let weight = embed.proj.weight.val();
            let vit = vit(entry.name, 3).init(embed, &device);
            let noise = vec![0.5; vit.noise(2, [8, 12]).unwrap()];
            let images = Tensor::random([2, 1, 8, 12], Distribution::Default, &device);
            let features = vit.forward_with(images, &noise);
            assert_eq!(features.dims(), [2, 16]);
            let loss = features.powi_scalar(4).sum();
            let grad = weight.grad(&loss.clone().backward()).unwrap();
            for values in [loss.inner().into_data(), grad.into_data()] {
                let values = values.try_to_vec_as::<f32>().unwrap();
                let finite = values.iter().all(|value| value.is_finite());
                assert!(finite, "{}: {values:?}", entry.name);
                assert!(values.iter().any(|value| *value != 0.0), "{}", entry.name);
            }
        }
    }

    #[test]
    fn positions_that_need_the_grid_refuse_what_a_mask_leaves_of_it() {
        let device = Device::flex();
        let masked = |name| {
            let mut config = vit(name, 3);
            config.encoder.reducers = masks(&[Stage::BeforeBlock(1)]).reducers;
            let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
            assert_eq!(embed.layout([8, 12]).unwrap().tokens(), 6);
            config.try_init(embed, &device).map(|_| ())
        };
        // The convolution stands before the mask in the first case, behind it in the second.
        assert!(masked("peg").is_ok());
        assert!(masked("relative-bias").is_ok());
        let mut config = vit("peg", 3);
        config.encoder.reducers = masks(&[Stage::AfterAttention(0)]).reducers;
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let error = config.try_init(embed, &device).unwrap_err().to_string();
        let want = "cannot place some of the grid's cells; expected one token per grid cell, in row-major order";
        assert!(error.ends_with(want), "{error}");
    }
}
