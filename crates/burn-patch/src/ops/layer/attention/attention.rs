//! Multi-head attention.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::ops::LayerOps;
use crate::ops::layer::attention::attention_options::AttentionOptions;
use crate::ops::layer::attention::qkv::Qkv;

/// Multi-head attention: every query gathers the values of the keys that it reaches.
///
/// Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), eq. 1, with what later work adds to
/// the scores or takes from them. One operation for all of it, with gradients written by hand for query, key, value
/// and both biases.
///
/// # Shapes
///
/// - qkv: [fused](Qkv::Fused) `[batch, tokens, 3·heads·width]`, or [apart](Qkv::Apart): query
///   `[batch, queries, heads·width]`, key and value `[batch, keys, heads·width]`
/// - bias `[1|batch, 1|heads, queries, keys]` and key bias `[1|batch, keys]`, cast to the dtype of the query
/// - result `[batch, queries, heads·width]`
///
/// # Equation
///
/// `softmax(scale·Q·Kᵀ + bias + key bias)·V` over the keys in reach, heads side by side; the scale is `width^(−1/2)`
/// unless given.
///
/// A query that reaches nothing gives zeros. A key out of reach contributes nothing, whatever it holds. A NaN or an
/// infinity within reach spreads as in the formula, in values and gradients.
///
/// # Departures
///
/// - Where the composed default computes segments (all backends but the CPU kernels' `f32` and `f64`), an infinite
///   value, and backward an infinite incoming gradient, gives an infinity even if its weight is 0, because it underflowed
///   or through a bias of −∞ in reach. The formula's `0·∞` is NaN.
/// - In `f32` the CPU kernel takes a weight of less than about 2^−126.5 times the largest of its query for 0, so that an
///   infinite value gives NaN where the formula's subnormal weight would give an infinity.
///
/// # Panics
///
/// If heads do not divide the last axis or it is empty, or a shape does not fit.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::ops::{AttentionOptions, Reach, Qkv, attention};
///
/// let device = Device::flex();
/// // One query, three keys that score 0: the value is the mean of those in reach.
/// let qkv = Qkv::Apart {
///     query: Tensor::zeros([1, 1, 2], &device),
///     key: Tensor::ones([1, 3, 2], &device),
///     value: Tensor::from_floats([[[1.0, 2.0], [3.0, 4.0], [f32::NAN, 6.0]]], &device),
/// };
/// let valid = Tensor::from_bool([[true, true, false]], &device);
/// let options = AttentionOptions::new(1).with_reach(Reach::Valid(valid));
/// let mean = attention(qkv.clone(), options.clone());
/// mean.into_data().assert_eq(&[[[2.0f32, 3.0]]].into(), true);
///
/// // The first key stands for three patches: it weighs as much as three.
/// let sizes = Tensor::from_floats([[3.0, 1.0, 1.0]], &device);
/// let merged = attention(qkv, options.with_key_bias(Some(sizes.log())));
/// merged.into_data().assert_approx_eq::<f32>(&[[[1.5f32, 2.5]]].into(), Default::default());
/// ```
#[track_caller]
pub fn attention(qkv: Qkv, options: AttentionOptions) -> Tensor<3> {
    match options.try_into_inputs(qkv) {
        Ok(inputs) => Tensor::from_dispatch(<Dispatch as LayerOps>::attention_forward(inputs)),
        Err(error) => panic!("{error}"),
    }
}
