//! Which keys a query reaches, as masks.
//!
//! A weight of 0 does not keep a NaN away, since `0·NaN` is NaN. So what is out of reach is taken out of the products'
//! other factor as well.

use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata, get_or_init_device_settings};
use burn::tensor::{BoolDType, DType, Shape};

use crate::ops::PartOps;
use crate::ops::dims::dims;
use crate::ops::layer::attention::attention_inputs::AttentionInputs;
use crate::ops::layer::attention::attention_sizes::AttentionSizes;
use crate::ops::layer::attention::heads::{merge_heads, transpose};
use crate::ops::layer::attention::reach_primitive::ReachPrimitive;

/// What is out of reach, as masks.
pub(super) enum Hidden<B: Backend> {
    All,
    /// Whole keys, and for fused ones the same queries.
    Rows {
        /// `[batch, 1, keys, 1]`.
        keys: BoolTensor<B>,
        /// `[batch, 1, queries, 1]`.
        queries: Option<BoolTensor<B>>,
        /// `[batch, 1, queries, keys]`, or 1 for the queries where none is hidden.
        scores: BoolTensor<B>,
    },
    /// Pairs of query and key.
    Pairs {
        /// `[batch, 1, queries, keys]`.
        hidden: BoolTensor<B>,
        /// The others as 1, `[batch, queries, keys]`.
        reached: FloatTensor<B>,
        sizes: AttentionSizes,
    },
}

/// The left factor of a product over what is in reach.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    /// Weights, which are not negative: an infinity stays one.
    Weights,
    /// Gradients of scores. They are 0 or NaN where query or key is infinite, so that the product is NaN.
    Signed,
}

impl<B: PartOps> Hidden<B> {
    pub(super) fn of(inputs: &AttentionInputs<B>) -> Self {
        let sizes = inputs.sizes();
        match inputs.reach.clone() {
            ReachPrimitive::All => Self::All,
            ReachPrimitive::Valid(valid) => Self::rows(valid, inputs.is_fused(), &sizes),
            ReachPrimitive::Segments { queries, keys, .. } => {
                Self::pairs(queries, keys, inputs.qkv.dtype(), sizes)
            }
        }
    }

    fn rows(valid: BoolTensor<B>, fused: bool, sizes: &AttentionSizes) -> Self {
        let &AttentionSizes {
            batch,
            queries,
            keys,
            ..
        } = sizes;
        let hidden = B::bool_not(valid);
        let shaped = |shape: [usize; 4]| B::bool_reshape(hidden.clone(), Shape::new(shape));
        let mut scores = shaped([batch, 1, 1, keys]);
        if fused {
            let all = Shape::new([batch, 1, queries, keys]);
            let rows = B::bool_expand(shaped([batch, 1, queries, 1]), all.clone());
            scores = B::bool_or(B::bool_expand(scores, all), rows);
        }
        Self::Rows {
            keys: shaped([batch, 1, keys, 1]),
            queries: fused.then(|| shaped([batch, 1, queries, 1])),
            scores,
        }
    }

    fn pairs(
        queries: IntTensor<B>,
        keys: IntTensor<B>,
        dtype: DType,
        sizes: AttentionSizes,
    ) -> Self {
        let bools = bool_dtype::<B>(&queries.device());
        let all = Shape::new([sizes.batch, sizes.queries, sizes.keys]);
        let queries = B::int_reshape(queries, Shape::new([sizes.batch, sizes.queries, 1]));
        let keys = B::int_reshape(keys, Shape::new([sizes.batch, 1, sizes.keys]));
        let [queries, keys] = [queries, keys].map(|numbers| B::int_expand(numbers, all.clone()));
        let padding = B::int_lower_elem(queries.clone(), 0.into(), bools);
        let apart = B::bool_not(B::int_equal(queries, keys, bools));
        let hidden = B::bool_or(apart, padding);
        let [batch, queries, keys] = all.dims();
        Self::Pairs {
            reached: B::bool_into_float(B::bool_not(hidden.clone()), dtype.into()),
            hidden: B::bool_reshape(hidden, Shape::new([batch, 1, queries, keys])),
            sizes,
        }
    }

    /// `[batch, heads, queries, keys]` with `value` where a key is out of reach.
    pub(super) fn hide(&self, scores: FloatTensor<B>, value: f64) -> FloatTensor<B> {
        match self {
            Self::All => scores,
            Self::Rows { scores: hidden, .. } | Self::Pairs { hidden, .. } => {
                fill::<B>(scores, hidden, value)
            }
        }
    }

    /// `left·right` over the keys in reach: left `[batch, heads, queries, keys]`, 0 out of reach, right
    /// `[batch, heads, keys, width]`.
    pub(super) fn over_keys(
        &self,
        left: FloatTensor<B>,
        right: FloatTensor<B>,
        factor: Factor,
    ) -> FloatTensor<B> {
        match self {
            Self::All => B::product(left, right),
            Self::Rows { keys, queries, .. } => {
                let sum = B::product(left, fill::<B>(right, keys, 0.0));
                match queries {
                    Some(queries) => fill::<B>(sum, queries, 0.0),
                    None => sum,
                }
            }
            Self::Pairs { reached, sizes, .. } => {
                product::<B>(left, right, reached.clone(), factor, sizes)
            }
        }
    }

    /// `leftᵀ·right` over the queries that reach a key: left `[batch, heads, queries, keys]`, 0 out of reach, right
    /// `[batch, heads, queries, width]`.
    pub(super) fn over_queries(
        &self,
        left: FloatTensor<B>,
        right: FloatTensor<B>,
        factor: Factor,
    ) -> FloatTensor<B> {
        let left = transpose::<B>(left);
        match self {
            Self::All => B::product(left, right),
            Self::Rows { keys, queries, .. } => {
                let right = match queries {
                    Some(queries) => fill::<B>(right, queries, 0.0),
                    None => right,
                };
                fill::<B>(B::product(left, right), keys, 0.0)
            }
            Self::Pairs { reached, sizes, .. } => {
                let reached = B::float_swap_dims(reached.clone(), 1, 2);
                product::<B>(left, right, reached, factor, sizes)
            }
        }
    }
}

/// `left·right` where `reached` is 1, `[batch, m, n]`: the finite part as a product, and what is not finite where it
/// is in reach.
fn product<B: PartOps>(
    left: FloatTensor<B>,
    right: FloatTensor<B>,
    reached: FloatTensor<B>,
    factor: Factor,
    sizes: &AttentionSizes,
) -> FloatTensor<B> {
    let bools = bool_dtype::<B>(&right.device());
    let nan = || B::float_is_nan(right.clone(), bools);
    let is = |value: f64| B::float_equal_elem(right.clone(), value.into(), bools);
    let high = B::bool_or(nan(), is(f64::INFINITY));
    let low = B::bool_or(nan(), is(f64::NEG_INFINITY));
    let odd = B::bool_or(high.clone(), low.clone());
    let finite = B::float_mask_fill(right.clone(), odd.clone(), 0.0.into());
    let sum = B::product(left, finite);

    let [_, rows, _] = dims(&reached);
    let count = |odd: BoolTensor<B>| {
        let odd = merge_heads::<B>(B::bool_into_float(odd, right.dtype().into()));
        let count = B::product(reached.clone(), odd);
        let shape = Shape::new([sizes.batch, rows, sizes.heads, sizes.width]);
        B::float_swap_dims(B::float_reshape(count, shape), 1, 2)
    };
    // No sum is between 0 and 1, so nothing but a 0 stays as it is.
    let spread = |count: FloatTensor<B>, value: f64| {
        let some = B::float_greater_elem(count.clone(), 0.into(), bools);
        B::float_mask_fill(count, some, value.into())
    };
    let (high, low) = match factor {
        Factor::Weights => (count(high), count(low)),
        Factor::Signed => {
            let odd = count(odd);
            (odd.clone(), odd)
        }
    };
    let high = B::float_add(sum, spread(high, f64::INFINITY));
    B::float_add(high, spread(low, f64::NEG_INFINITY))
}

/// `mask` has 1 where it is the same for an axis.
fn fill<B: Backend>(tensor: FloatTensor<B>, mask: &BoolTensor<B>, value: f64) -> FloatTensor<B> {
    let mask = B::bool_expand(mask.clone(), tensor.shape());
    B::float_mask_fill(tensor, mask, value.into())
}

fn bool_dtype<B: Backend>(device: &B::Device) -> BoolDType {
    get_or_init_device_settings::<B>(device).bool_dtype
}
