//! Gradients of attention.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

use crate::ops::layer::attention::qkv_primitive::QkvPrimitive;

/// Which biases' gradients are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackedBiases {
    /// That of the scores' bias.
    pub bias: bool,
    /// That of the keys' bias.
    pub key_bias: bool,
}

/// Gradients of [`LayerOps::attention_forward`](crate::ops::LayerOps::attention_forward).
#[derive(Debug, Clone)]
pub struct AttentionGrads<B: Backend> {
    /// Of query, key and value, fused or apart as they were.
    pub qkv: QkvPrimitive<B>,
    /// Of the scores' bias, in its shape, if asked for.
    pub bias: Option<FloatTensor<B>>,
    /// Of the keys' bias, in its shape, if asked for.
    pub key_bias: Option<FloatTensor<B>>,
}
