//! Pooling and classifier.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::layers::{Activation, LayerNorm, LayerNormConfig, NORMAL, apply, linear};
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
    /// The class token, then a norm in place of the encoder's (transformers' CLIP, timm's `token` with `fc_norm`).
    ClassTokenBeforeNorm,
}

impl Pooling {
    /// Whether the class token is pooled.
    pub(crate) fn class_token(self) -> bool {
        matches!(self, Self::ClassToken | Self::ClassTokenBeforeNorm)
    }

    /// Whether a norm behind the pooling stands in place of the encoder's.
    pub(crate) fn before_norm(self) -> bool {
        matches!(self, Self::MeanBeforeNorm | Self::ClassTokenBeforeNorm)
    }
}

/// Configuration of [`Head`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    /// Classes; none: no classifier, the pooled features come out.
    pub classes: Option<usize>,
    /// What the head sees.
    pub pooling: Pooling,
    /// Whether a second classifier sees the distillation token, and logits are the mean of both (DeiT).
    pub distilled: bool,
    /// What stands in the MLP of an attention pool.
    pub pool_activation: Activation,
    /// Width in the MLP of an attention pool; none: four times the tokens'.
    pub pool_hidden: Option<usize>,
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
                    .with_activation(Some(self.pool_activation))
                    .with_hidden(self.pool_hidden)
                    .try_init(device)?,
            ),
            _ => None,
        };
        let head = Head {
            attn_pool: pool,
            fc_norm: self.pooling.before_norm().then(norm),
            fc: None,
            fc_dist: None,
            pooling: self.pooling,
            distilled: self.distilled,
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
    /// Whether a second classifier sees the distillation token.
    with_distilled: distilled, bool;
    /// What stands in the MLP of an attention pool.
    with_pool_activation: pool_activation, Activation;
    /// The width in the MLP of an attention pool.
    with_pool_hidden: pool_hidden, Option<usize>;
});

/// Pooling, and a classifier if there are classes.
///
/// timm's `forward_head` in `timm/models/vision_transformer.py` and, for a distilled head, in `timm/models/deit.py`
/// (Touvron et al., [Training data-efficient image transformers](https://arxiv.org/abs/2012.12877), section 4); `fc` is
/// its `head`, `fc_dist` its `head_dist`.
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
    /// After the mean or the class token where [`Pooling::MeanBeforeNorm`] or [`Pooling::ClassTokenBeforeNorm`] is asked
    /// for.
    pub fc_norm: Option<LayerNorm>,
    /// The classifier.
    pub fc: Option<Linear>,
    /// The classifier of the distillation token.
    pub fc_dist: Option<Linear>,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    distilled: bool,
}

impl Head {
    /// Tokens to logits, or to pooled features where there is no classifier.
    ///
    /// # Panics
    ///
    /// If a class token is pooled and there is no prefix.
    pub fn forward(&self, tokens: &Tokens) -> Tensor<2> {
        match (&self.fc, &self.fc_dist) {
            (Some(class), Some(distilled)) => {
                let logits = apply(class, self.token(tokens, 0));
                (logits + apply(distilled, self.token(tokens, 1))) / 2.0
            }
            (Some(fc), None) => apply(fc, self.pool(tokens)),
            _ => self.pool(tokens),
        }
    }

    /// What the classifier sees, `[batch, dim]`; of a distilled head the mean of what both see.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn pool(&self, tokens: &Tokens) -> Tensor<2> {
        if let Some(pool) = &self.attn_pool {
            return pool.forward(tokens);
        }
        match self.pooling {
            Pooling::ClassToken | Pooling::ClassTokenBeforeNorm if self.distilled => {
                (self.token(tokens, 0) + self.token(tokens, 1)) / 2.0
            }
            Pooling::ClassToken | Pooling::ClassTokenBeforeNorm => self.token(tokens, 0),
            Pooling::Mean | Pooling::MeanBeforeNorm | Pooling::Attention => {
                self.normed(tokens.mean())
            }
        }
    }

    /// Prefix token `index`, `[batch, dim]`, normed where that comes after the pooling.
    fn token(&self, tokens: &Tokens, index: usize) -> Tensor<2> {
        let prefix = tokens.prefix_embeddings().expect("a class token to pool");
        self.normed(prefix.slice_dim(1, index..index + 1).squeeze_dim(1))
    }

    fn normed(&self, features: Tensor<2>) -> Tensor<2> {
        match &self.fc_norm {
            Some(norm) => norm.forward(features),
            None => features,
        }
    }

    /// The same head with a new classifier of features of width `dim`.
    #[must_use]
    pub fn with_classes(mut self, dim: usize, classes: usize, device: &Device) -> Self {
        let classifier = || linear([dim, classes], NORMAL, Some(Initializer::Zeros), device);
        self.fc = Some(classifier());
        self.fc_dist = self.distilled.then(classifier);
        self
    }
}
