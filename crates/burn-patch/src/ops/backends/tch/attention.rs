//! Attention by LibTorch's scaled dot product, which chooses a kernel by device, type and shape.
//!
//! It has no way to keep a NaN out of reach, so only attention to all keys is its; the rest is composed. So is attention to a
//! few keys on the CPU, where it would drop a NaN.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use tch::Tensor;

use super::tape;
use crate::ops::layer::attention::{AttentionSizes, composed};
use crate::ops::{
    AttentionGrads, AttentionInputs, Bias, QkvPrimitive, ReachPrimitive, Recorded, TrackedBiases,
};

/// With fewer keys than a vector holds, the kernel for the CPU takes a query of NaN for one that reaches nothing and gives
/// zeros. PyTorch 2.9 does so from 1 key to 15 with AVX-512.
const LEAST_KEYS: usize = 16;

pub(super) fn forward(inputs: AttentionInputs<LibTorch>) -> FloatTensor<LibTorch> {
    match is_whole(&inputs) {
        true => attend(&inputs),
        false => composed::attention::<LibTorch>(inputs),
    }
}

/// Its leaves are query, key and value, one tensor or three, then the biases that there are.
pub(super) fn tracked(mut inputs: AttentionInputs<LibTorch>) -> Recorded<LibTorch> {
    if !is_whole(&inputs) {
        return Recorded::without_tape(composed::attention::<LibTorch>(inputs));
    }
    let qkv = inputs.qkv.into_tensors().into_iter().map(tape::leaf);
    let mut leaves: Vec<TchTensor> = qkv.collect();
    inputs.qkv = QkvPrimitive::from_tensors(leaves.clone());
    for bias in [&mut inputs.bias, &mut inputs.key_bias] {
        if let Bias::Present(tensor) = bias {
            let leaf = tape::leaf(tensor.clone());
            *bias = Bias::Present(leaf.clone());
            leaves.push(leaf);
        }
    }
    tape::record(attend(&inputs), leaves)
}

pub(super) fn grads(
    inputs: AttentionInputs<LibTorch>,
    kept: &[TchTensor],
    grad: FloatTensor<LibTorch>,
    tracked: TrackedBiases,
) -> AttentionGrads<LibTorch> {
    let [output, leaves @ ..] = kept else {
        return composed::attention_grads::<LibTorch>(inputs, grad, tracked);
    };
    let mut found = tape::gradients(output, &grad, leaves).into_iter();
    let qkv = if inputs.is_fused() { 1 } else { 3 };
    let qkv = QkvPrimitive::from_tensors(found.by_ref().take(qkv).collect());
    let mut of = |bias: Bias<LibTorch>, tracked: bool| {
        let grad = bias.into_option().and_then(|_| found.next());
        grad.filter(|_| tracked)
    };
    AttentionGrads {
        qkv,
        bias: of(inputs.bias, tracked.bias),
        key_bias: of(inputs.key_bias, tracked.key_bias),
    }
}

fn is_whole(inputs: &AttentionInputs<LibTorch>) -> bool {
    let sizes = inputs.sizes();
    let kernel_keeps_nan = || {
        let parts = inputs.qkv.clone().into_tensors();
        sizes.keys >= LEAST_KEYS || parts.iter().all(|part| part.tensor.device().is_cuda())
    };
    matches!(inputs.reach, ReachPrimitive::All) && !sizes.is_empty() && kernel_keeps_nan()
}

fn attend(inputs: &AttentionInputs<LibTorch>) -> TchTensor {
    let sizes = inputs.sizes();
    let [query, key, value] = heads_first(&inputs.qkv, &sizes);
    let key_bias = inputs.key_bias.clone().into_option();
    let key_bias = key_bias.map(|bias| bias.tensor.unsqueeze(1).unsqueeze(1));
    let bias = inputs.bias.clone().into_option().map(|bias| bias.tensor);
    let bias = match (bias, key_bias) {
        (Some(bias), Some(key_bias)) => Some(bias + key_bias),
        (bias, key_bias) => bias.or(key_bias),
    };
    let all = Tensor::scaled_dot_product_attention(
        &query,
        &key,
        &value,
        bias,
        0.0,
        false,
        inputs.scale,
        false,
    );
    let shape = [sizes.batch, sizes.queries, sizes.dim()].map(|len| len as i64);
    TchTensor::new(all.transpose(1, 2).reshape(shape))
}

/// `[batch, heads, tokens, width]` each, views.
fn heads_first(qkv: &QkvPrimitive<LibTorch>, sizes: &AttentionSizes) -> [Tensor; 3] {
    let &AttentionSizes {
        batch,
        queries,
        keys,
        heads,
        width,
    } = sizes;
    let split = |tensor: &TchTensor, tokens: usize| {
        let shape = [batch, tokens, heads, width].map(|len| len as i64);
        tensor.tensor.reshape(shape).transpose(1, 2)
    };
    match qkv {
        QkvPrimitive::Fused(qkv) => {
            let shape = [batch, queries, 3, heads, width].map(|len| len as i64);
            // Apart before their axes are swapped, so that their gradients join in one pass.
            let parts = qkv.tensor.reshape(shape).unbind(2);
            let parts: [Tensor; 3] = parts.try_into().expect("three parts");
            parts.map(|part| part.transpose(1, 2))
        }
        QkvPrimitive::Apart { query, key, value } => {
            [split(query, queries), split(key, keys), split(value, keys)]
        }
    }
}
