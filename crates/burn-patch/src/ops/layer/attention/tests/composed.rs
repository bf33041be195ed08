//! The composed default, which the dispatch gives Flex in half precision only, called past it.

use burn::backend::flex::FlexTensor;
use burn::backend::{DispatchTensor, DispatchTensorKind, ExtensionType, Flex};
use burn::tensor::{DType, Device, TensorData};

use crate::ops::layer::attention::composed;
use crate::ops::layer::attention::tests::case::{Case, Outcome, floats, tensor};
use crate::ops::{AttentionGrads, AttentionInputs, AttentionOptions, Qkv, TrackedBiases};

pub(super) fn composed_default(
    case: &Case,
    inputs: &[Vec<f64>],
    factors: &[f64],
    dtype: DType,
) -> Outcome {
    let device = Device::flex();
    let inputs = inputs.iter().map(|input| tensor(input, dtype, &device));
    let (qkv, options) = case.arguments(&inputs.collect::<Vec<_>>());
    let inputs = primitives(qkv, options);
    let out = composed::attention::<Flex>(inputs.clone());
    let factors = TensorData::new(factors.to_vec(), out.layout().shape().clone());
    let grad = FlexTensor::from_data(factors.convert_dtype(dtype));
    let tracked = TrackedBiases {
        bias: case.bias.is_some(),
        key_bias: case.key_bias.is_some(),
    };
    let AttentionGrads {
        qkv,
        bias,
        key_bias,
    } = composed::attention_grads::<Flex>(inputs, grad, tracked);
    let gradients = qkv.into_tensors().into_iter().chain(bias).chain(key_bias);
    let host = |tensor: FlexTensor| floats(tensor.to_contiguous().into_data());
    Outcome {
        values: host(out),
        gradients: gradients.map(host).collect(),
    }
}

/// What the default gets, of tensors on Flex.
pub(super) fn primitives(qkv: Qkv, options: AttentionOptions) -> AttentionInputs<Flex> {
    let inputs = options.try_into_inputs(qkv).expect("they fit");
    ExtensionType::map_from_dispatch(inputs, |tensor: DispatchTensor| match tensor.kind {
        DispatchTensorKind::Flex(tensor) => tensor,
        _ => unreachable!("all are Flex's"),
    })
}
