//! Attention between tensors and slices.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Element;

use crate::ops::backends::cpu::attention::forward::attention;
use crate::ops::backends::cpu::attention::grad;
use crate::ops::backends::cpu::attention::inputs::{Inputs, ScoreBias};
use crate::ops::backends::cpu::attention::part::Part;
use crate::ops::backends::cpu::host::{Host, tensor, values};
use crate::ops::backends::cpu::real::Real;
use crate::ops::layer::attention::{AttentionSizes, empty};
use crate::ops::{
    AttentionGrads, AttentionInputs, Bias, QkvPrimitive, ReachPrimitive, Spans, TrackedBiases,
};

pub(in crate::ops::backends) fn attention_forward<B: Host<T>, T: Real + Element>(
    inputs: AttentionInputs<B>,
) -> FloatTensor<B> {
    if let Some(zeros) = empty::attention(&inputs) {
        return zeros;
    }
    let sizes = inputs.sizes();
    let out = with_slices(inputs, |inputs| attention(inputs));
    tensor::<B, T>(out, [sizes.batch, sizes.queries, sizes.dim()])
}

pub(in crate::ops::backends) fn attention_grads<B: Host<T>, T: Real + Element>(
    inputs: AttentionInputs<B>,
    grad: FloatTensor<B>,
    tracked: TrackedBiases,
) -> AttentionGrads<B> {
    if let Some(zeros) = empty::attention_grads(&inputs, tracked) {
        return zeros;
    }
    let shapes: Vec<_> = inputs
        .qkv
        .clone()
        .into_tensors()
        .iter()
        .map(TensorMetadata::shape)
        .collect();
    let shape = |bias: &Bias<B>| bias.clone().into_option().map(|bias| bias.shape());
    let (bias, key_bias) = (shape(&inputs.bias), shape(&inputs.key_bias));
    let grad = B::contiguous(grad);
    let grads = with_slices(inputs, |inputs| {
        grad::attention_grads(inputs, values::<B, T>(&grad), tracked)
    });
    let qkv = grads.qkv.into_iter().zip(shapes);
    let qkv = qkv
        .map(|(grad, shape)| tensor::<B, T>(grad, shape))
        .collect();
    AttentionGrads {
        qkv: QkvPrimitive::from_tensors(qkv),
        bias: grads
            .bias
            .zip(bias)
            .map(|(grad, shape)| tensor::<B, T>(grad, shape)),
        key_bias: grads
            .key_bias
            .zip(key_bias)
            .map(|(grad, shape)| tensor::<B, T>(grad, shape)),
    }
}

fn with_slices<B: Host<T>, T: Real, R>(
    inputs: AttentionInputs<B>,
    run: impl FnOnce(&Inputs<'_, T>) -> R,
) -> R {
    let (sizes, fused) = (inputs.sizes(), inputs.is_fused());
    let qkv: Vec<_> = inputs
        .qkv
        .into_tensors()
        .into_iter()
        .map(B::contiguous)
        .collect();
    let bias = inputs.bias.into_option().map(B::contiguous);
    let key_bias = inputs.key_bias.into_option().map(B::contiguous);
    let bias = bias.as_ref().map(|bias| {
        let [images, heads, ..] = bias.shape().dims::<4>();
        let values = values::<B, T>(bias);
        ScoreBias {
            values,
            images,
            heads,
        }
    });
    run(&Inputs {
        sizes,
        qkv: qkv.iter().map(values::<B, T>).collect(),
        bias,
        key_bias: key_bias.as_ref().map(values::<B, T>),
        parts: parts::<B, T>(inputs.reach, &sizes, fused),
        scale: T::of(inputs.scale),
    })
}

fn parts<B: Host<T>, T>(
    reach: ReachPrimitive<B>,
    sizes: &AttentionSizes,
    fused: bool,
) -> Vec<Vec<Part>> {
    match reach {
        ReachPrimitive::All => Part::all(sizes),
        ReachPrimitive::Valid(valid) => Part::valid(&B::bools(valid), sizes, fused),
        ReachPrimitive::Segments {
            queries,
            keys,
            spans,
        } => {
            let numbers = || {
                let (queries, keys) = (B::integers(queries), B::integers(keys));
                let queries: Vec<_> = queries.chunks_exact(sizes.queries).collect();
                let keys: Vec<_> = keys.chunks_exact(sizes.keys).collect();
                Spans::from_numbers(&queries, &keys)
            };
            match spans {
                Some(spans) => {
                    debug_assert_eq!(*spans, numbers(), "spans are those of the numbers");
                    Part::segments(&spans)
                }
                None => Part::segments(&numbers()),
            }
        }
    }
}
