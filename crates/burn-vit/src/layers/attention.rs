//! Self-attention of a block.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::layers::{LayerNorm, LayerNormConfig, XAVIER, apply, linear};
use burn_patch::ops::{
    AttentionOptions, Qkv, at_least_single, attention, dequantized, linear as linear_op,
};
use burn_patch::reduce::{Seen, Sees};
use burn_patch::tokens::{Attend, Reach, Rotation};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::layers::attention_weights::attention_weights;
use crate::layers::policy_attention::policy_attention;

/// Which of query, key and value have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum QkvBias {
    /// All three.
    #[default]
    All,
    /// Query and value (BEiT, EVA-02, DINOv3): without rotation a key's bias changes no weight.
    NoKey,
    /// None of them.
    None,
}

/// What cosines are multiplied by at first.
const COSINE_FACTOR: f64 = 10.0;

/// What cosines are multiplied by at most.
const MOST_COSINE_FACTOR: f64 = 100.0;

/// Shorter queries and keys are divided by this.
const LEAST_LENGTH: f64 = 1e-12;

/// Configuration of [`Attention`].
#[derive(Config, Debug)]
pub struct AttentionConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Number of heads; divides `dim`.
    pub heads: usize,
    /// Initialiser of the weights; biases start at 0.
    #[config(default = "XAVIER")]
    pub initializer: Initializer,
    /// Which of query, key and value have a bias; none: all.
    pub qkv_bias: Option<QkvBias>,
    /// Epsilon of norms over the width of a head, of queries and of keys; none: no such norms.
    pub qk_norm: Option<f64>,
    /// Whether scores are the cosines of queries and keys times a trained factor per head (Swin v2); none: no.
    pub cosine: Option<bool>,
}

/// Multi-head self-attention with one fused projection for query, key and value.
///
/// Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), eq. 1; Dehghani et al.,
/// [Scaling Vision Transformers to 22 Billion Parameters](https://arxiv.org/abs/2302.05442), section 2 (norms of queries
/// and keys); `timm/models/vision_transformer.py` (`Attention`), whose `qkv`, `q_norm`, `k_norm` and `proj` these are,
/// and `timm/models/beit.py`, whose `q_bias` and `v_bias`.
///
/// # Shapes
///
/// - input and output: tokens `[batch, tokens, dim]`
///
/// # Equation
///
/// `softmax(Q·Kᵀ/√(dim/heads) + bias)·V`, heads side by side, then `proj`. Biases and rotation of queries and keys come
/// from [`Attend`]; norms of queries and keys, where there are any, come before the rotation, and biases that the query
/// decides are made of it before it is turned or scaled. Cosine attention
/// ([Swin Transformer V2](https://arxiv.org/abs/2111.09883), eq. 2) has `τ·cos(Q, K)` for `Q·Kᵀ/√(dim/heads)`. Where
/// [`Attend`] has windows, each is as an image of its own; where it has a policy, the softmax is DynamicViT's, in which each
/// key is seen by other tokens as far as the policy lets them.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::tokens::{Attend, Reach};
/// use burn_vit::layers::AttentionConfig;
///
/// let device = Device::flex();
/// let attn = AttentionConfig::new(8, 2).try_init(&device).unwrap();
/// let tokens = Tensor::zeros([1, 5, 8], &device);
/// assert_eq!(attn.forward(tokens, &Attend::default(), Reach::All).dims(), [1, 5, 8]);
/// ```
#[derive(Module, Debug)]
pub struct Attention {
    /// Query, key and value, `dim → 3·dim`.
    pub qkv: Linear,
    /// Bias of the queries where keys have none, `[dim]`.
    pub q_bias: Option<Param<Tensor<1>>>,
    /// Bias of the values where keys have none, `[dim]`.
    pub v_bias: Option<Param<Tensor<1>>>,
    /// Norm of the queries of a head.
    pub q_norm: Option<LayerNorm>,
    /// Norm of the keys of a head.
    pub k_norm: Option<LayerNorm>,
    /// Logarithm of what cosines are multiplied by, at most that of 100, `[heads, 1, 1]`.
    pub logit_scale: Option<Param<Tensor<3>>>,
    /// Output projection.
    pub proj: Linear,
    heads: usize,
}

impl AttentionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Heads`] if the heads do not divide the width.
    pub fn try_init(&self, device: &Device) -> Result<Attention, Error> {
        check_heads(self.dim, self.heads)?;
        let linear = |output, bias: bool| {
            let zeros = bias.then_some(Initializer::Zeros);
            linear([self.dim, output], self.initializer.clone(), zeros, device)
        };
        let bias = self.qkv_bias.unwrap_or_default();
        let apart =
            || (bias == QkvBias::NoKey).then(|| Initializer::Zeros.init([self.dim], device));
        let norm = || {
            let config = LayerNormConfig::new(self.dim / self.heads);
            self.qk_norm
                .map(|epsilon| config.with_epsilon(epsilon).init(device))
        };
        Ok(Attention {
            qkv: linear(3 * self.dim, bias == QkvBias::All),
            q_bias: apart(),
            v_bias: apart(),
            q_norm: norm(),
            k_norm: norm(),
            logit_scale: (self.cosine == Some(true)).then(|| {
                let value = COSINE_FACTOR.ln();
                Initializer::Constant { value }.init([self.heads, 1, 1], device)
            }),
            proj: linear(self.dim, true),
            heads: self.heads,
        })
    }
}

/// Refuses heads that do not divide the width.
pub(crate) fn check_heads(dim: usize, heads: usize) -> Result<(), Error> {
    if heads == 0 || !dim.is_multiple_of(heads) {
        return Err(Error::Heads { dim, heads });
    }
    Ok(())
}

impl Attention {
    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Attends. `reach` and what [`Attend`] holds speak of all tokens, the prefix included.
    ///
    /// # Panics
    ///
    /// If a shape does not fit.
    pub fn forward(&self, tokens: Tensor<3>, attend: &Attend, reach: Reach) -> Tensor<3> {
        self.forward_seen(tokens, attend, reach, Sees::Tokens, 0).0
    }

    /// As [`forward`](Self::forward), with what a reducer asks to see of it behind `prefix` tokens.
    pub(crate) fn forward_seen(
        &self,
        tokens: Tensor<3>,
        attend: &Attend,
        reach: Reach,
        sees: Sees,
        prefix: usize,
    ) -> (Tensor<3>, Seen) {
        let Some(windows) = &attend.windows else {
            return self.forward_whole(tokens, attend, reach, sees, prefix);
        };
        let (tokens, reach) = (windows.split(tokens), windows.reach(reach));
        let (tokens, seen) = self.forward_whole(tokens, attend, reach, sees, prefix);
        (windows.join(tokens), seen)
    }

    /// Without windows.
    fn forward_whole(
        &self,
        tokens: Tensor<3>,
        attend: &Attend,
        reach: Reach,
        sees: Sees,
        prefix: usize,
    ) -> (Tensor<3>, Seen) {
        let (plain, qkv, options) = self.prepared(tokens, attend, reach);
        let seen = match sees {
            Sees::Tokens => Seen::Tokens,
            Sees::Keys => Seen::Keys(self.keys(&plain, prefix)),
            Sees::ClassScores => Seen::ClassScores(self.class_scores(&qkv, &options, prefix)),
        };
        let context = match attend.policy.clone() {
            None => attention(Qkv::Fused(qkv), options),
            Some(policy) => {
                let parts = [0, 1, 2].map(|index| self.by_head(&qkv, index));
                policy_attention(parts, &options, policy)
            }
        };
        (apply(&self.proj, context), seen)
    }

    /// How much each query takes of each key, `[batch, heads, tokens, tokens]`, in single precision at least: what
    /// [`forward`](Self::forward) multiplies values with, but for a [policy](Attend::policy), which is left out. Each row
    /// sums to 1, or is 0 where a query reaches nothing. Where [`Attend`] has windows, they are the batch.
    ///
    /// # Panics
    ///
    /// If a shape does not fit.
    pub fn weights(&self, tokens: Tensor<3>, attend: &Attend, reach: Reach) -> Tensor<4> {
        let (tokens, reach) = match &attend.windows {
            None => (tokens, reach),
            Some(windows) => (windows.split(tokens), windows.reach(reach)),
        };
        let (_, qkv, options) = self.prepared(tokens, attend, reach);
        let count = qkv.dims()[1];
        attention_weights(self.query_and_key(&qkv), &options, 0..count)
    }

    /// Query, key and value, then the same turned, and how they attend.
    fn prepared(
        &self,
        tokens: Tensor<3>,
        attend: &Attend,
        reach: Reach,
    ) -> (Tensor<3>, Tensor<3>, AttentionOptions) {
        let plain = self.normed(self.projected(tokens));
        let options = AttentionOptions::new(self.heads)
            .with_scale(self.logit_scale.is_some().then_some(1.0))
            .with_bias(self.bias(&plain, attend, &reach))
            .with_key_bias(attend.key_bias.clone())
            .with_reach(reach);
        let turned = match &attend.rotation {
            None => plain.clone(),
            Some(rotation) => self.rotated(plain.clone(), rotation),
        };
        (plain, turned, options)
    }

    /// Query, key and value with their biases, `[batch, tokens, 3·dim]`.
    fn projected(&self, tokens: Tensor<3>) -> Tensor<3> {
        let (Some(query), Some(value)) = (&self.q_bias, &self.v_bias) else {
            return apply(&self.qkv, tokens);
        };
        let [query, value] = [query, value].map(|bias| dequantized(bias.val()));
        let bias = Tensor::cat(vec![query.clone(), query.zeros_like(), value], 0);
        linear_op(tokens, self.qkv.weight.val(), Some(bias))
    }

    /// Query and key with the norms of their heads.
    fn normed(&self, qkv: Tensor<3>) -> Tensor<3> {
        if let Some(scale) = &self.logit_scale {
            return self.unit(qkv, scale.val());
        }
        let (Some(query), Some(key)) = (&self.q_norm, &self.k_norm) else {
            return qkv;
        };
        let [batch, count, values] = qkv.dims();
        let (dim, width) = (values / 3, values / 3 / self.heads);
        let by_head = |norm: &LayerNorm, index| {
            let part = part(&qkv, index).reshape([batch, count, self.heads, width]);
            norm.forward(part).reshape([batch, count, dim])
        };
        Tensor::cat(vec![by_head(query, 0), by_head(key, 1), part(&qkv, 2)], 2)
    }

    /// Query and key of length 1 by head, the query times the factor of its head.
    fn unit(&self, qkv: Tensor<3>, logit_scale: Tensor<3>) -> Tensor<3> {
        let [batch, count, values] = qkv.dims();
        let (dim, width) = (values / 3, values / 3 / self.heads);
        let by_head = |index| {
            let part = part(&qkv, index).reshape([batch, count, self.heads, width]);
            let precise = part.cast(at_least_single(qkv.dtype()));
            let squared = precise.clone().square().sum_dim(3);
            let length = squared.clamp_min(LEAST_LENGTH.powi(2)).sqrt();
            (precise / length).cast(qkv.dtype())
        };
        let factor = logit_scale.clamp_max(MOST_COSINE_FACTOR.ln()).exp();
        let query = by_head(0) * factor.reshape([1, 1, self.heads, 1]);
        let joined = |part: Tensor<4>| part.reshape([batch, count, dim]);
        Tensor::cat(vec![joined(query), joined(by_head(1)), part(&qkv, 2)], 2)
    }

    /// What is added to the scores of single queries and keys. Padding asks nothing, whatever it holds.
    fn bias(&self, qkv: &Tensor<3>, attend: &Attend, reach: &Reach) -> Option<Tensor<4>> {
        attend.score_bias(self.heads, || {
            let query = part(qkv, 0);
            let Some(valid) = reach.valid() else {
                return query;
            };
            let padding = valid.bool_not().unsqueeze_dim::<3>(2);
            let padding = padding.expand(query.dims());
            query.mask_fill(padding, 0.0)
        })
    }

    /// Query and key turned. They stay fused, so that padding, which asks nothing then, keeps what it holds to itself.
    fn rotated(&self, qkv: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let [query, key] = [0, 1].map(|index| rotation.apply(part(&qkv, index), self.heads));
        Tensor::cat(vec![query, key, part(&qkv, 2)], 2)
    }

    /// Query (0), key (1) or value (2) by heads, `[batch, heads, tokens, width]`.
    fn by_head(&self, qkv: &Tensor<3>, index: usize) -> Tensor<4> {
        let [batch, count, values] = qkv.dims();
        let width = values / 3 / self.heads;
        let part = part(qkv, index).reshape([batch, count, self.heads, width]);
        part.swap_dims(1, 2)
    }

    /// Keys of the patch tokens before they are turned, the mean over the heads.
    fn keys(&self, qkv: &Tensor<3>, prefix: usize) -> Tensor<3> {
        let keys = part(qkv, 1).slice_dim(1, prefix..);
        let [batch, count, values] = keys.dims();
        let by_head = keys.reshape([batch, count, self.heads, values / self.heads]);
        by_head.mean_dim(2).squeeze_dim::<3>(2)
    }

    /// What the first token, the class, gives to each patch token, the mean over the heads.
    fn class_scores(
        &self,
        qkv: &Tensor<3>,
        options: &AttentionOptions,
        prefix: usize,
    ) -> Tensor<2> {
        let [batch, count, _] = qkv.dims();
        let weights = attention_weights(self.query_and_key(qkv), options, 0..1);
        let weights = weights.mean_dim(1).reshape([batch, count]);
        weights.slice_dim(1, prefix..).cast(qkv.dtype())
    }

    fn query_and_key(&self, qkv: &Tensor<3>) -> [Tensor<4>; 2] {
        [0, 1].map(|index| self.by_head(qkv, index))
    }
}

/// Query (0), key (1) or value (2), `[batch, tokens, dim]`.
fn part(qkv: &Tensor<3>, index: usize) -> Tensor<3> {
    let dim = qkv.dims()[2] / 3;
    qkv.clone().slice_dim(2, index * dim..(index + 1) * dim)
}

#[cfg(test)]
mod tests;
