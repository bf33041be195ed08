//! What Tokens-to-Token runs between its splits.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::{NORMAL, apply, linear};
use crate::layers::mlp::{Mlp, MlpConfig};
use crate::ops::{AttentionOptions, Qkv, at_least_single, attention};

/// Which attention runs between the splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum T2tBlockKind {
    /// Softmax attention, [`TokenTransformer`].
    Transformer,
    /// Attention by random features, [`TokenPerformer`], whose cost grows with the tokens and not their square.
    Performer,
}

/// A block between two splits: windows `[batch, tokens, input]` to tokens `[batch, tokens, token_dim]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{T2tPatchEmbedConfig, T2tPreset};
///
/// let device = Device::flex();
/// let embed = T2tPatchEmbedConfig::preset(T2tPreset::VitT14, 3).init(&device);
/// // Windows of 7×7 over three channels, then 3×3 over the tokens of the first split.
/// assert_eq!(embed.attentions[0].forward(Tensor::zeros([1, 5, 147], &device)).dims(), [1, 5, 64]);
/// assert_eq!(embed.attentions[1].forward(Tensor::zeros([1, 5, 576], &device)).dims(), [1, 5, 64]);
/// ```
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per split; a box would be no Module
pub enum T2tBlock {
    /// Softmax attention.
    Transformer(TokenTransformer),
    /// Attention by random features.
    Performer(TokenPerformer),
}

impl T2tBlockKind {
    pub(crate) fn init(self, input: usize, token_dim: usize, device: &Device) -> T2tBlock {
        match self {
            Self::Transformer => {
                T2tBlock::Transformer(TokenTransformer::new(input, token_dim, device))
            }
            Self::Performer => T2tBlock::Performer(TokenPerformer::new(input, token_dim, device)),
        }
    }
}

impl T2tBlock {
    /// Width of the tokens that it gives.
    pub fn dim(&self) -> usize {
        match self {
            Self::Transformer(block) => block.attn.proj.weight.dims()[1],
            Self::Performer(block) => block.proj.weight.dims()[1],
        }
    }

    /// Windows to tokens.
    pub fn forward(&self, windows: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Transformer(block) => block.forward(windows),
            Self::Performer(block) => block.forward(windows),
        }
    }
}

/// `Token_transformer` in `models/token_transformer.py` of yitu-opensource/T2T-ViT.
///
/// # Equation
///
/// `y = A(LN(x))`, result `y + fc2(GELU(fc1(LN(y))))`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{T2tBlock, T2tPatchEmbedConfig, T2tPreset};
///
/// let device = Device::flex();
/// let embed = T2tPatchEmbedConfig::preset(T2tPreset::VitT14, 3).init(&device);
/// let T2tBlock::Transformer(block) = &embed.attentions[0] else { unreachable!() };
/// assert_eq!(block.forward(Tensor::zeros([1, 5, 147], &device)).dims(), [1, 5, 64]);
/// ```
#[derive(Module, Debug)]
pub struct TokenTransformer {
    /// Normalisation of the windows.
    pub norm1: LayerNorm,
    /// Attention, which also reduces the width.
    pub attn: T2tAttention,
    /// Normalisation before the layers.
    pub norm2: LayerNorm,
    /// The layers.
    pub mlp: Mlp,
}

impl TokenTransformer {
    fn new(input: usize, token_dim: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(input).init(device),
            attn: T2tAttention {
                qkv: linear([input, 3 * token_dim], NORMAL, None, device),
                proj: linear([token_dim; 2], NORMAL, Some(Initializer::Zeros), device),
            },
            norm2: LayerNormConfig::new(token_dim).init(device),
            mlp: MlpConfig::new(token_dim, token_dim)
                .with_initializer(NORMAL)
                .init(device),
        }
    }

    /// Windows `[batch, tokens, input]` to tokens `[batch, tokens, token_dim]`.
    pub fn forward(&self, windows: Tensor<3>) -> Tensor<3> {
        let tokens = self.attn.forward(self.norm1.forward(windows));
        let more = self.mlp.forward(self.norm2.forward(tokens.clone()));
        tokens + more
    }
}

/// Attention of one head from wide windows to narrow tokens.
///
/// # Equation
///
/// `v + P·softmax(q·kᵀ/√input)·v`: the scale is that of the *input's* width, although queries have `token_dim`
/// values, and the values stand in for the skip, since the input is too wide to add.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{T2tBlock, T2tPatchEmbedConfig, T2tPreset};
///
/// let device = Device::flex();
/// let embed = T2tPatchEmbedConfig::preset(T2tPreset::VitT14, 3).init(&device);
/// let T2tBlock::Transformer(block) = &embed.attentions[0] else { unreachable!() };
/// assert_eq!(block.attn.qkv.weight.dims(), [147, 3 * 64]);
/// assert_eq!(block.attn.forward(Tensor::zeros([1, 5, 147], &device)).dims(), [1, 5, 64]);
/// ```
#[derive(Module, Debug)]
pub struct T2tAttention {
    /// Query, key and value, `input → 3·token_dim`, without a bias.
    pub qkv: Linear,
    /// Output projection.
    pub proj: Linear,
}

impl T2tAttention {
    /// Windows `[batch, tokens, input]` to tokens `[batch, tokens, token_dim]`.
    pub fn forward(&self, windows: Tensor<3>) -> Tensor<3> {
        let [input, values] = self.qkv.weight.dims();
        let qkv = apply(&self.qkv, windows);
        let value = qkv.clone().slice_dim(2, values / 3 * 2..);
        let options = AttentionOptions::new(1).with_scale(Some((input as f64).powf(-0.5)));
        value + apply(&self.proj, attention(Qkv::Fused(qkv), options))
    }
}

/// `Token_performer` in `models/token_performer.py` of yitu-opensource/T2T-ViT: attention by the positive random
/// features of Choromanski et al., [Rethinking Attention with Performers](https://arxiv.org/abs/2009.14794), lemma 1.
///
/// # Equation
///
/// `φ(x) = exp(w·x − ‖x‖²/2)/√m`, `y = v + P·(φ(q)·(φ(k)ᵀ·v))/(φ(q)·Σφ(k) + 1e-8)`, result
/// `y + fc2(GELU(fc1(LN(y))))`, with `m = token_dim/2` features.
///
/// `w` is drawn once, orthogonal times `√m`, and not trained. Half precision is computed in `f32` between the
/// projections. The reference's dropout (0.1) is left out. Unlike [`TokenTransformer`], nothing divides the
/// queries by a root of their width, as in the reference.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{T2tBlock, T2tPatchEmbedConfig, T2tPreset};
///
/// let device = Device::flex();
/// let embed = T2tPatchEmbedConfig::preset(T2tPreset::Vit7, 3).init(&device);
/// let T2tBlock::Performer(block) = &embed.attentions[0] else { unreachable!() };
/// assert_eq!(block.w.dims(), [32, 64]);
/// assert_eq!(block.forward(Tensor::zeros([1, 5, 147], &device)).dims(), [1, 5, 64]);
/// ```
#[derive(Module, Debug)]
pub struct TokenPerformer {
    /// Normalisation of the windows.
    pub norm1: LayerNorm,
    /// Key, query and value, in this order, `input → 3·token_dim`.
    pub kqv: Linear,
    /// Output projection.
    pub proj: Linear,
    /// Normalisation before the layers.
    pub norm2: LayerNorm,
    /// The layers, `mlp.0` and `mlp.2` in a checkpoint.
    pub mlp: Mlp,
    /// The features' directions, `[m, token_dim]`; not trained.
    pub w: Param<Tensor<2>>,
}

impl TokenPerformer {
    fn new(input: usize, token_dim: usize, device: &Device) -> Self {
        let features = (token_dim / 2).max(1);
        let directions = Initializer::Orthogonal {
            gain: (features as f64).sqrt(),
        };
        Self {
            norm1: LayerNormConfig::new(input).init(device),
            kqv: linear(
                [input, 3 * token_dim],
                NORMAL,
                Some(Initializer::Zeros),
                device,
            ),
            proj: linear([token_dim; 2], NORMAL, Some(Initializer::Zeros), device),
            norm2: LayerNormConfig::new(token_dim).init(device),
            mlp: MlpConfig::new(token_dim, token_dim)
                .with_initializer(NORMAL)
                .init(device),
            w: directions
                .init([features, token_dim], device)
                .set_require_grad(false),
        }
    }

    /// Windows `[batch, tokens, input]` to tokens `[batch, tokens, token_dim]`.
    pub fn forward(&self, windows: Tensor<3>) -> Tensor<3> {
        let width = self.proj.weight.dims()[0];
        let kqv = apply(&self.kqv, self.norm1.forward(windows));
        let dtype = kqv.dtype();
        let wide = at_least_single(dtype);
        let value = kqv.clone().slice_dim(2, 2 * width..);
        let part = |index: usize| {
            let values = index * width..(index + 1) * width;
            self.features(kqv.clone().slice_dim(2, values).cast(wide))
        };
        let (key, query) = (part(0), part(1));
        // [batch, m, token_dim] and [batch, m, 1]
        let mixed = key.clone().transpose().matmul(value.clone().cast(wide));
        let total = key.sum_dim(1).transpose();
        let context = query.clone().matmul(mixed) / (query.matmul(total) + 1e-8);
        let tokens = value + apply(&self.proj, context.cast(dtype));
        let more = self.mlp.forward(self.norm2.forward(tokens.clone()));
        tokens + more
    }

    fn features(&self, x: Tensor<3>) -> Tensor<3> {
        let w = self.w.val().cast(x.dtype());
        let [features, _] = w.dims();
        let half = x.clone().square().sum_dim(2) / 2.0;
        let along = x.matmul(w.transpose().unsqueeze());
        (along - half).exp() / (features as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::softmax;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn attention_is_scaled_by_the_width_of_the_input_and_skips_by_the_values() {
        let device = Device::flex();
        let block = TokenTransformer::new(27, 5, &device);
        let mut attn = block.attn;
        attn.qkv.weight = attn.qkv.weight.map(|weight| weight * 40.0);
        let x = Tensor::<3>::random([2, 7, 27], Distribution::Default, &device);
        let qkv = x.clone().matmul(attn.qkv.weight.val().unsqueeze());
        let part = |index: usize| qkv.clone().slice_dim(2, 5 * index..5 * (index + 1));
        let (query, key, value) = (part(0), part(1), part(2));
        let scores = query.matmul(key.transpose()) * 27f64.powf(-0.5);
        let mixed = softmax(scores, 2).matmul(value.clone());
        let want = value + mixed.matmul(attn.proj.weight.val().unsqueeze());
        attn.forward(x)
            .into_data()
            .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-5));
    }

    /// `E_w[φ(x)·φ(y)] = exp(x·y)` for Gaussian `w`, which the directions stand in for.
    #[test]
    fn random_features_estimate_the_softmax_kernel() {
        let device = Device::flex();
        let mut block = TokenPerformer::new(8, 4, &device);
        let count = 40_000;
        let normal = Distribution::Normal(0.0, 1.0);
        block.w = Param::from_tensor(Tensor::random([count, 4], normal, &device));
        let x = Tensor::<1>::from_floats([0.3, -0.2, 0.5, 0.1], &device).reshape([1, 1, 4]);
        let y = Tensor::<1>::from_floats([0.4, 0.3, 0.2, -0.6], &device).reshape([1, 1, 4]);
        let want: f32 = (x.clone() * y.clone()).sum().exp().into_scalar();
        let got: f32 = (block.features(x) * block.features(y)).sum().into_scalar();
        assert!((got - want).abs() < 0.05 * want, "{got} against {want}");
    }

    #[test]
    fn directions_are_orthogonal_and_get_no_gradient() {
        let device = Device::flex().autodiff();
        let block = TokenPerformer::new(8, 6, &device);
        let w = block.w.val();
        let product = w.clone().matmul(w.clone().transpose());
        let want = Tensor::<2>::eye(3, &device) * 3.0;
        product
            .into_data()
            .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-4, 1e-4));
        let x = Tensor::random([1, 5, 8], Distribution::Default, &device);
        let grads = block.forward(x).sum().backward();
        assert!(w.grad(&grads).is_none());
        assert!(block.kqv.weight.val().grad(&grads).is_some());
    }
}
