//! Attention where an axis is empty: nothing reaches anything, so all of it is zeros.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Shape;

use crate::ops::layer::attention::attention_grads::{AttentionGrads, TrackedBiases};
use crate::ops::layer::attention::attention_inputs::AttentionInputs;
use crate::ops::layer::attention::qkv_primitive::QkvPrimitive;

/// None if there is something to attend.
pub(crate) fn attention<B: Backend>(inputs: &AttentionInputs<B>) -> Option<FloatTensor<B>> {
    let (sizes, query) = (inputs.sizes(), inputs.qkv.query());
    let shape = Shape::new([sizes.batch, sizes.queries, sizes.dim()]);
    let zeros = || B::float_zeros(shape, &query.device(), query.dtype().into());
    sizes.is_empty().then(zeros)
}

/// None if there is something to attend.
pub(crate) fn attention_grads<B: Backend>(
    inputs: &AttentionInputs<B>,
    tracked: TrackedBiases,
) -> Option<AttentionGrads<B>> {
    if !inputs.sizes().is_empty() {
        return None;
    }
    let AttentionInputs {
        qkv,
        bias,
        key_bias,
        ..
    } = inputs.clone();
    let zeros =
        |like: FloatTensor<B>| B::float_zeros(like.shape(), &like.device(), like.dtype().into());
    let qkv = qkv.into_tensors().into_iter().map(zeros);
    let bias = bias.into_option().filter(|_| tracked.bias);
    let key_bias = key_bias.into_option().filter(|_| tracked.key_bias);
    Some(AttentionGrads {
        qkv: QkvPrimitive::from_tensors(qkv.collect()),
        bias: bias.map(zeros),
        key_bias: key_bias.map(zeros),
    })
}
