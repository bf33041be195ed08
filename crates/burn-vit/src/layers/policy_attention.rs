//! Attention in which other tokens see each key as far as a policy lets them.

use burn::tensor::{Bool, Tensor};
use burn_patch::ops::{AttentionOptions, at_least_single};
use burn_patch::tokens::Reach;

/// Added to the sum of a query's weights, as the reference does.
const EPSILON: f64 = 1e-6;

/// DynamicViT's masked attention of queries, keys and values `[batch, heads, tokens, width]`,
/// `[batch, tokens, heads·width]`. `policy` is `[batch, tokens]`.
///
/// Rao et al., [DynamicViT](https://arxiv.org/abs/2106.02034), eq. 10 and 11; `raoyongming/DynamicViT`, `vit.py`
/// (`softmax_with_policy`): with scores `s`, policy `p` and `Gᵢⱼ = pⱼ + (1 − pⱼ)·[i = j]`, the weights are
/// `(exp(sᵢⱼ − maxⱼ sᵢⱼ)·Gᵢⱼ + ε/N)/(Σⱼ exp(sᵢⱼ − maxⱼ sᵢⱼ)·Gᵢⱼ + ε)`. Keys out of reach have no weight, nor `ε/N`.
pub(super) fn policy_attention(
    parts: [Tensor<4>; 3],
    options: &AttentionOptions,
    policy: Tensor<2>,
) -> Tensor<3> {
    let reach = &options.reach;
    let [batch, heads, tokens, width] = parts[0].dims();
    let dtype = parts[0].dtype();
    let precise = at_least_single(dtype);
    let [query, key, value] = parts.map(|part| cleared(part.cast(precise), reach));

    let scores = query.matmul(key.transpose()) * options.scale.unwrap_or((width as f64).powf(-0.5));
    let scores = match &options.bias {
        Some(bias) => scores + bias.clone().cast(precise),
        None => scores,
    };
    let scores = match &options.key_bias {
        Some(bias) => {
            let [images, keys] = bias.dims();
            scores + bias.clone().cast(precise).reshape([images, 1, 1, keys])
        }
        None => scores,
    };
    let hidden = hidden(reach).map(|hidden| hidden.expand([batch, heads, tokens, tokens]));
    let hide = |values: Tensor<4>, value: f32| match &hidden {
        Some(hidden) => values.mask_fill(hidden.clone(), value),
        None => values,
    };
    let own = Tensor::<2>::eye(tokens, &scores.device()).cast(precise);
    let own = own.reshape([1, 1, tokens, tokens]);
    let policy = policy.cast(precise).reshape([batch, 1, 1, tokens]);
    let seen = policy.clone() + (policy.neg() + 1.0) * own;

    let scores = hide(scores, f32::MIN);
    let most = scores.clone().max_dim(3);
    let weights = hide((scores - most).exp() * seen, 0.0);
    let total = weights.clone().sum_dim(3) + EPSILON;
    let weights = hide((weights + EPSILON / tokens as f64) / total, 0.0);
    let context = weights.matmul(value).swap_dims(1, 2);
    context.reshape([batch, tokens, heads * width]).cast(dtype)
}

/// Zeros for padding, which may hold anything.
fn cleared(part: Tensor<4>, reach: &Reach) -> Tensor<4> {
    match reach.valid() {
        None => part,
        Some(valid) => {
            let [batch, _, tokens, _] = part.dims();
            let padding = valid.bool_not().reshape([batch, 1, tokens, 1]);
            let padding = padding.expand(part.dims());
            part.mask_fill(padding, 0.0)
        }
    }
}

/// Which keys a query does not reach, `[batch, 1, 1 or queries, keys]`; none where it reaches all.
fn hidden(reach: &Reach) -> Option<Tensor<4, Bool>> {
    match reach {
        Reach::All => None,
        Reach::Valid(valid) => {
            let [batch, keys] = valid.dims();
            Some(valid.clone().bool_not().reshape([batch, 1, 1, keys]))
        }
        Reach::Segments { queries, keys, .. } => {
            let ([batch, asked], [_, count]) = (queries.dims(), keys.dims());
            let shape = [batch, 1, asked, count];
            let queries = queries.clone().reshape([batch, 1, asked, 1]).expand(shape);
            let keys = keys.clone().reshape([batch, 1, 1, count]).expand(shape);
            Some(queries.not_equal(keys))
        }
    }
}
