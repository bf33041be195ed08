//! Attention and its gradients from a backend's own tensor operations.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

use crate::ops::PartOps;
use crate::ops::dims::dims;
use crate::ops::layer::attention::attention_grads::{AttentionGrads, TrackedBiases};
use crate::ops::layer::attention::attention_inputs::AttentionInputs;
use crate::ops::layer::attention::attention_sizes::AttentionSizes;
use crate::ops::layer::attention::composed_reach::{Factor, Hidden};
use crate::ops::layer::attention::empty;
use crate::ops::layer::attention::heads::{heads_first, merge_heads, transpose};
use crate::ops::layer::attention::qkv_primitive::QkvPrimitive;
use crate::ops::permuted::permuted_primitive;

pub(crate) fn attention<B: PartOps>(inputs: AttentionInputs<B>) -> FloatTensor<B> {
    if let Some(zeros) = empty::attention(&inputs) {
        return zeros;
    }
    let (sizes, reach) = (inputs.sizes(), Hidden::<B>::of(&inputs));
    let scores = Scores::<B>::of(&inputs);
    let [query, key, value] = split_heads::<B>(inputs.qkv, &sizes);
    if scores.are_plain() && matches!(reach, Hidden::All) {
        return merge_heads::<B>(B::attend(query, key, value, scores.scale));
    }
    let weights = scores.weights(query, key, &reach);
    merge_heads::<B>(reach.over_keys(weights, value, Factor::Weights))
}

/// With `P = softmax(S)` and `O = P·V`: `∂V = Pᵀ·∂O`, `∂P = ∂O·Vᵀ`, `∂S = P∘(∂P − rowsum(∂P∘P))`,
/// `∂Q = scale·∂S·K`, `∂K = scale·∂Sᵀ·Q`; the biases' gradients are sums of `∂S`.
pub(crate) fn attention_grads<B: PartOps>(
    inputs: AttentionInputs<B>,
    grad: FloatTensor<B>,
    tracked: TrackedBiases,
) -> AttentionGrads<B> {
    if let Some(zeros) = empty::attention_grads(&inputs, tracked) {
        return zeros;
    }
    let (sizes, reach) = (inputs.sizes(), Hidden::<B>::of(&inputs));
    let (fused, scores) = (inputs.is_fused(), Scores::<B>::of(&inputs));
    let [query, key, value] = split_heads::<B>(inputs.qkv, &sizes);
    let grad = heads_first::<B>(grad, &sizes);
    let weights = scores.weights(query.clone(), key.clone(), &reach);

    let value_grad = reach.over_queries(weights.clone(), grad.clone(), Factor::Weights);
    let weights_grad = B::product(grad, transpose::<B>(value));
    let weights_grad = reach.hide(weights_grad, 0.0);
    let scores_grad = B::softmax_rows_grad(weights, weights_grad);
    let scores_grad = reach.hide(scores_grad, 0.0);

    let (bias, key_bias) = (scores.bias, scores.key_bias);
    let bias = bias.filter(|_| tracked.bias);
    let key_bias = key_bias.filter(|_| tracked.key_bias);
    let bias = bias.map(|bias| sum_to::<B>(scores_grad.clone(), bias.shape()));
    let key_bias = key_bias.map(|key_bias| {
        let [images, keys] = dims(&key_bias);
        let sum = sum_to::<B>(scores_grad.clone(), Shape::new([images, 1, 1, keys]));
        B::float_reshape(sum, Shape::new([images, keys]))
    });

    let scores_grad = B::float_mul_scalar(scores_grad, scores.scale.into());
    let query_grad = reach.over_keys(scores_grad.clone(), key, Factor::Signed);
    let key_grad = reach.over_queries(scores_grad, query, Factor::Signed);
    let parts = [query_grad, key_grad, value_grad];
    let qkv = match fused {
        true => QkvPrimitive::Fused(fuse::<B>(parts, &sizes)),
        false => QkvPrimitive::from_tensors(parts.map(merge_heads::<B>).to_vec()),
    };
    AttentionGrads {
        qkv,
        bias,
        key_bias,
    }
}

/// What makes scores of queries and keys.
struct Scores<B: Backend> {
    scale: f64,
    bias: Option<FloatTensor<B>>,
    key_bias: Option<FloatTensor<B>>,
}

impl<B: PartOps> Scores<B> {
    fn of(inputs: &AttentionInputs<B>) -> Self {
        Self {
            scale: inputs.scale,
            bias: inputs.bias.clone().into_option(),
            key_bias: inputs.key_bias.clone().into_option(),
        }
    }

    fn are_plain(&self) -> bool {
        self.bias.is_none() && self.key_bias.is_none()
    }

    /// `softmax(scale·Q·Kᵀ + bias + key bias)` over the keys in reach, 0 out of it.
    fn weights(
        &self,
        query: FloatTensor<B>,
        key: FloatTensor<B>,
        reach: &Hidden<B>,
    ) -> FloatTensor<B> {
        let query = B::float_mul_scalar(query, self.scale.into());
        let mut scores = B::product(query, transpose::<B>(key));
        if let Some(bias) = &self.bias {
            scores = B::float_add(scores, bias.clone());
        }
        if let Some(key_bias) = &self.key_bias {
            let [images, keys] = dims(key_bias);
            let key_bias = B::float_reshape(key_bias.clone(), Shape::new([images, 1, 1, keys]));
            scores = B::float_add(scores, key_bias);
        }
        let weights = B::softmax_rows(reach.hide(scores, f64::NEG_INFINITY));
        // A row without any reach is NaN here.
        reach.hide(weights, 0.0)
    }
}

/// Query, key and value, `[batch, heads, tokens, width]` each.
fn split_heads<B: Backend>(qkv: QkvPrimitive<B>, sizes: &AttentionSizes) -> [FloatTensor<B>; 3] {
    let qkv = match qkv {
        QkvPrimitive::Apart { query, key, value } => {
            return [query, key, value].map(|part| heads_first::<B>(part, sizes));
        }
        QkvPrimitive::Fused(qkv) => qkv,
    };
    let &AttentionSizes {
        batch,
        queries: tokens,
        heads,
        width,
        ..
    } = sizes;
    let qkv = B::float_reshape(qkv, Shape::new([batch, tokens, 3, heads, width]));
    let qkv = permuted_primitive::<B, 5>(qkv, [2, 0, 3, 1, 4]);
    [0, 1, 2].map(|part| {
        let all = [part..part + 1, 0..batch, 0..heads, 0..tokens, 0..width];
        let part = B::float_slice(qkv.clone(), &all.map(Slice::from));
        B::float_reshape(part, Shape::new([batch, heads, tokens, width]))
    })
}

/// The inverse of [`split_heads`] for a fused tensor.
fn fuse<B: Backend>(parts: [FloatTensor<B>; 3], sizes: &AttentionSizes) -> FloatTensor<B> {
    let &AttentionSizes {
        batch,
        queries: tokens,
        heads,
        width,
        ..
    } = sizes;
    let parts = parts.map(|part| {
        let shape = Shape::new([batch, tokens, 1, heads, width]);
        B::float_reshape(B::float_swap_dims(part, 1, 2), shape)
    });
    let qkv = B::float_cat(Vec::from(parts), 2);
    B::float_reshape(qkv, Shape::new([batch, tokens, 3 * heads * width]))
}

/// Sums the axes that are 1 in `shape`.
fn sum_to<B: Backend>(tensor: FloatTensor<B>, shape: Shape) -> FloatTensor<B> {
    let [got, want] = [tensor.shape(), shape].map(|shape| shape.dims::<4>());
    (0..4)
        .filter(|&axis| got[axis] != want[axis])
        .fold(tensor, |sum, axis| B::float_sum_dim(sum, axis))
}
