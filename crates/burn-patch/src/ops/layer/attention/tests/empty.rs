//! Where an axis is empty, values and gradients are zeros.

use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::ops::layer::attention::composed;
use crate::ops::layer::attention::tests::composed::primitives;
use crate::ops::{AttentionGrads, AttentionOptions, Qkv, Reach, Spans, TrackedBiases, attention};

const HEADS: usize = 2;
const DIM: usize = 6;
/// Batch, queries and keys.
const SIZES: [[usize; 3]; 5] = [[0, 3, 5], [0, 4, 4], [2, 3, 0], [2, 0, 5], [2, 0, 0]];

/// Inputs of one size, none of them 0.
struct Inputs {
    /// Fused, or three.
    qkv: Vec<Tensor<3>>,
    bias: Tensor<4>,
    key_bias: Tensor<2>,
    reach: Reach,
}

/// Every reach; apart, and fused where queries and keys are as many.
fn all(dtype: DType, device: &Device) -> Vec<Inputs> {
    let mut all = Vec::new();
    for [batch, queries, keys] in SIZES {
        let part = |tokens: usize, columns: usize| {
            tracked(Tensor::<3>::ones([batch, tokens, columns], (device, dtype)))
        };
        let mut qkvs = vec![vec![part(queries, DIM), part(keys, DIM), part(keys, DIM)]];
        if queries == keys {
            qkvs.push(vec![part(keys, 3 * DIM)]);
        }
        for qkv in qkvs {
            all.extend(reaches([batch, queries, keys], device).map(|reach| {
                let bias = Tensor::ones([1, HEADS, queries, keys], (device, dtype));
                let key_bias = Tensor::ones([1, keys], (device, dtype));
                Inputs {
                    qkv: qkv.clone(),
                    bias: tracked(bias),
                    key_bias: tracked(key_bias),
                    reach,
                }
            }));
        }
    }
    all
}

/// Where there is a tape.
fn tracked<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.device().is_autodiff() {
        true => tensor.require_grad(),
        false => tensor,
    }
}

fn reaches([batch, queries, keys]: [usize; 3], device: &Device) -> [Reach; 4] {
    let numbers = |tokens: usize| Tensor::<2, Int>::zeros([batch, tokens], device);
    let segments = |spans: Option<Spans>| Reach::Segments {
        queries: numbers(queries),
        keys: numbers(keys),
        spans: spans.map(Arc::new),
    };
    [
        Reach::All,
        Reach::Valid(numbers(keys).equal_elem(0)),
        segments(None),
        segments(Some(Spans::new(vec![vec![]; batch]))),
    ]
}

impl Inputs {
    fn arguments(&self) -> (Qkv, AttentionOptions) {
        let qkv = match self.qkv.as_slice() {
            [query, key, value] => Qkv::Apart {
                query: query.clone(),
                key: key.clone(),
                value: value.clone(),
            },
            fused => Qkv::Fused(fused[0].clone()),
        };
        let options = AttentionOptions::new(HEADS)
            .with_bias(Some(self.bias.clone()))
            .with_key_bias(Some(self.key_bias.clone()))
            .with_reach(self.reach.clone());
        (qkv, options)
    }

    /// Zeros in the shapes of the result, of query, key and value, and of the biases.
    fn zeros(&self, dtype: DType) -> Vec<TensorData> {
        let [batch, queries, _] = self.qkv[0].dims();
        let mut shapes = vec![vec![batch, queries, DIM]];
        shapes.extend(self.qkv.iter().map(|part| part.dims().to_vec()));
        shapes.extend([self.bias.dims().to_vec(), self.key_bias.dims().to_vec()]);
        let shapes = shapes.into_iter();
        shapes
            .map(|shape| TensorData::full_dtype(shape, 0.0, dtype))
            .collect()
    }
}

#[test]
fn an_empty_axis_gives_zeros() {
    for dtype in [DType::F64, DType::F32, DType::F16] {
        for inputs in all(dtype, &Device::flex().autodiff()) {
            let (qkv, options) = inputs.arguments();
            let out = attention(qkv, options);
            let grads = out.clone().sum().backward();
            let mut got = vec![out.into_data()];
            let qkv = inputs.qkv.iter().map(|part| part.grad(&grads));
            got.extend(qkv.map(|grad| grad.expect("tracked").into_data()));
            got.push(inputs.bias.grad(&grads).expect("tracked").into_data());
            got.push(inputs.key_bias.grad(&grads).expect("tracked").into_data());
            assert_eq!(got, inputs.zeros(dtype), "{:?}", inputs.reach);
        }
    }
}

#[test]
fn an_empty_axis_gives_zeros_in_the_composed_default() {
    for dtype in [DType::F64, DType::F32] {
        for inputs in all(dtype, &Device::flex()) {
            let (qkv, options) = inputs.arguments();
            let primitives = primitives(qkv, options);
            let out = composed::attention::<Flex>(primitives.clone());
            let biases = TrackedBiases {
                bias: true,
                key_bias: true,
            };
            let AttentionGrads {
                qkv,
                bias,
                key_bias,
            } = composed::attention_grads::<Flex>(primitives, out.clone(), biases);
            let qkv = qkv.into_tensors().into_iter();
            let got = [out].into_iter().chain(qkv).chain(bias).chain(key_bias);
            let got: Vec<_> = got.map(FlexTensor::into_data).collect();
            assert_eq!(got, inputs.zeros(dtype), "{:?}", inputs.reach);
        }
    }
}
