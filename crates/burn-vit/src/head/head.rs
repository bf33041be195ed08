//! Pooling and classifier.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::layers::{LayerNorm, LayerNormConfig, NORMAL, apply, linear};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::head::attention_pool::{AttentionPool, AttentionPoolConfig};
use crate::setters::setters;

/// What the head sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pooling {
    /// The class token (timm's `global_pool='token'`).
    #[default]
    ClassToken,
    /// The mean of the patch tokens after the encoder's norm (big_vision's `gap`).
    Mean,
    /// The mean of the patch tokens, then a norm in place of the encoder's (timm's `global_pool='avg'` and its
    /// `fc_norm`, MAE's fine-tuning).
    MeanBeforeNorm,
    /// A trained query that attends to all tokens (big_vision's and timm's `map`, SigLIP).
    Attention,
}

/// Configuration of [`Head`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    /// Classes; none: no classifier, the pooled features come out.
    pub classes: Option<usize>,
    /// What the head sees.
    pub pooling: Pooling,
}

impl Config for HeadConfig {}

impl HeadConfig {
    /// The pooled features, no classifier.
    pub fn new() -> Self {
        Self::default()
    }

    /// A classifier.
    pub fn classes(classes: usize) -> Self {
        Self::default().with_classes(Some(classes))
    }

    /// Builds the module for tokens of width `dim`, behind blocks of `heads` attention heads and norms of `epsilon`.
    ///
    /// # Errors
    ///
    /// [`Error::Heads`] if an attention pool's heads do not divide the width.
    pub fn try_init(
        &self,
        dim: usize,
        heads: usize,
        epsilon: f64,
        device: &Device,
    ) -> Result<Head, Error> {
        let norm = || LayerNormConfig::new(dim).with_epsilon(epsilon).init(device);
        let pool = match self.pooling {
            Pooling::Attention => Some(
                AttentionPoolConfig::new(dim, heads)
                    .with_epsilon(epsilon)
                    .try_init(device)?,
            ),
            _ => None,
        };
        let head = Head {
            attn_pool: pool,
            fc_norm: (self.pooling == Pooling::MeanBeforeNorm).then(norm),
            fc: None,
            pooling: self.pooling,
        };
        Ok(match self.classes {
            Some(classes) => head.with_classes(dim, classes, device),
            None => head,
        })
    }
}

setters!(HeadConfig {
    /// The number of classes; none: no classifier.
    with_classes: classes, Option<usize>;
    /// What the head sees.
    with_pooling: pooling, Pooling;
});

/// Pooling, and a classifier if there are classes.
///
/// timm's `forward_head` in `timm/models/vision_transformer.py`; `fc` is its `head`.
///
/// # Shapes
///
/// - tokens `[batch, prefix + tokens, dim]`
/// - logits `[batch, classes]`, or features `[batch, dim]` without a classifier
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_vit::{HeadConfig, Pooling};
///
/// let device = Device::flex();
/// let head = HeadConfig::new().with_pooling(Pooling::Mean).try_init(1, 1, 1e-6, &device).unwrap();
/// let image = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 6.0]]]], &device);
/// let tokens = patchify(image, [1, 1], FlatOrder::default()).unwrap();
/// head.forward(&tokens).into_data().assert_eq(&[[3.0f32]].into(), true);
/// ```
#[derive(Module, Debug)]
pub struct Head {
    /// Pools where [`Pooling::Attention`] is asked for.
    pub attn_pool: Option<AttentionPool>,
    /// After the mean where [`Pooling::MeanBeforeNorm`] is asked for.
    pub fc_norm: Option<LayerNorm>,
    /// The classifier.
    pub fc: Option<Linear>,
    #[module(skip)]
    pooling: Pooling,
}

impl Head {
    /// Tokens to logits, or to pooled features where there is no classifier.
    ///
    /// # Panics
    ///
    /// If a class token is pooled and there is no prefix.
    pub fn forward(&self, tokens: &Tokens) -> Tensor<2> {
        let features = self.pool(tokens);
        match &self.fc {
            Some(fc) => apply(fc, features),
            None => features,
        }
    }

    /// What the classifier sees, `[batch, dim]`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn pool(&self, tokens: &Tokens) -> Tensor<2> {
        if let Some(pool) = &self.attn_pool {
            return pool.forward(tokens);
        }
        match self.pooling {
            Pooling::ClassToken => {
                let prefix = tokens.prefix_embeddings().expect("a class token to pool");
                prefix.slice_dim(1, 0..1).squeeze_dim(1)
            }
            _ => match &self.fc_norm {
                Some(norm) => norm.forward(tokens.mean()),
                None => tokens.mean(),
            },
        }
    }

    /// The same head with a new classifier of features of width `dim`.
    #[must_use]
    pub fn with_classes(mut self, dim: usize, classes: usize, device: &Device) -> Self {
        self.fc = Some(linear(
            [dim, classes],
            NORMAL,
            Some(Initializer::Zeros),
            device,
        ));
        self
    }
}
