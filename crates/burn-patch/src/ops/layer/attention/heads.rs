//! Shapes of heads, in a backend's own operations.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;

use crate::ops::dims::dims;
use crate::ops::layer::attention::attention_sizes::AttentionSizes;

/// `[batch, tokens, heads·width]` → `[batch, heads, tokens, width]`.
pub(super) fn heads_first<B: Backend>(
    part: FloatTensor<B>,
    sizes: &AttentionSizes,
) -> FloatTensor<B> {
    let [batch, tokens, _] = dims(&part);
    let shape = Shape::new([batch, tokens, sizes.heads, sizes.width]);
    B::float_swap_dims(B::float_reshape(part, shape), 1, 2)
}

/// `[batch, heads, tokens, width]` → `[batch, tokens, heads·width]`.
pub(super) fn merge_heads<B: Backend>(part: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, heads, tokens, width] = dims(&part);
    let part = B::float_swap_dims(part, 1, 2);
    B::float_reshape(part, Shape::new([batch, tokens, heads * width]))
}

pub(super) fn transpose<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(tensor, 2, 3)
}
