//! The weights of attention, for those who want to see them.

use std::ops::Range;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor};
use burn_patch::ops::{AttentionOptions, at_least_single};
use burn_patch::tokens::Reach;

/// How much the `asking` queries take of each key, `[batch, heads, asking, keys]`, of query and key
/// `[batch, heads, tokens, width]`. Zeros out of reach.
pub(super) fn attention_weights(
    [query, key]: [Tensor<4>; 2],
    options: &AttentionOptions,
    asking: Range<usize>,
) -> Tensor<4> {
    let precise = at_least_single(query.dtype());
    let [batch, heads, keys, width] = key.dims();
    let query = query.slice_dim(2, asking.clone()).cast(precise);
    let scores = query.matmul(key.cast(precise).transpose());
    let mut scores = scores * options.scale.unwrap_or((width as f64).powf(-0.5));
    if let Some(bias) = &options.bias {
        scores = scores + bias.clone().slice_dim(2, asking.clone()).cast(precise);
    }
    if let Some(bias) = &options.key_bias {
        let [images, _] = bias.dims();
        scores = scores + bias.clone().cast(precise).reshape([images, 1, 1, keys]);
    }
    let Some(hidden) = hidden(&options.reach, asking.clone()) else {
        return softmax(scores, 3);
    };
    let hidden = hidden
        .unsqueeze_dim::<4>(1)
        .expand([batch, heads, asking.len(), keys]);
    let weights = softmax(scores.mask_fill(hidden.clone(), f32::MIN), 3);
    weights.mask_fill(hidden, 0.0)
}

/// The keys that the `asking` queries do not reach, `[batch, asking, keys]`; none where they reach all.
fn hidden(reach: &Reach, asking: Range<usize>) -> Option<Tensor<3, Bool>> {
    match reach {
        Reach::All => None,
        Reach::Valid(valid) => {
            let [batch, keys] = valid.dims();
            let shape = [batch, asking.len(), keys];
            let key = valid.clone().bool_not().unsqueeze_dim::<3>(1).expand(shape);
            let query = valid.clone().bool_not().slice_dim(1, asking);
            Some(key.bool_or(query.unsqueeze_dim::<3>(2).expand(shape)))
        }
        Reach::Segments { queries, keys, .. } => {
            let [batch, count] = keys.dims();
            let shape = [batch, asking.len(), count];
            let query = queries.clone().slice_dim(1, asking);
            let query = query.unsqueeze_dim::<3>(2).expand(shape);
            let key = keys.clone().unsqueeze_dim::<3>(1).expand(shape);
            let padding = key.clone().lower_elem(0);
            Some(query.not_equal(key).bool_or(padding))
        }
    }
}
