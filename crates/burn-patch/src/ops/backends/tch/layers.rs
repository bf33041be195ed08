//! A transformer's layers by LibTorch's own operations.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use burn::backend::ops::ActivationOps;
use burn::backend::tensor::FloatTensor;

use super::{attention, operations};
use crate::ops::layer::composed;
use crate::ops::{
    AttentionGrads, AttentionInputs, Bias, LayerGrads, LayerOps, NormGrads, PartOps, Recorded,
    TrackedBiases,
};

impl PartOps for LibTorch {}

impl LayerOps for LibTorch {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
    ) -> FloatTensor<Self> {
        let bias = bias.into_option().map(|bias| bias.tensor);
        TchTensor::new(x.tensor.linear(&weight.tensor.transpose(0, 1), bias))
    }

    fn attention_forward(inputs: AttentionInputs<Self>) -> FloatTensor<Self> {
        attention::forward(inputs)
    }

    fn layer_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::layer_norm_tracked(x, gamma, beta, epsilon).output
    }
}

impl LayerGrads for LibTorch {
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu_backward(x, grad)
    }

    fn attention_tracked(inputs: AttentionInputs<Self>) -> Recorded<Self> {
        attention::tracked(inputs)
    }

    fn attention_grads(
        inputs: AttentionInputs<Self>,
        kept: Vec<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
        tracked: TrackedBiases,
    ) -> AttentionGrads<Self> {
        attention::grads(inputs, &kept, grad, tracked)
    }

    /// Keeps the rows' means and inverse deviations.
    fn layer_norm_tracked(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> Recorded<Self> {
        let dim = gamma.tensor.size();
        let (gamma, beta) = (Some(&gamma.tensor), Some(&beta.tensor));
        let (output, mean, inverse_deviation) =
            x.tensor.native_layer_norm(&dim[..], gamma, beta, epsilon);
        Recorded {
            output: TchTensor::new(output),
            kept: [mean, inverse_deviation].map(TchTensor::new).into(),
        }
    }

    fn layer_norm_grads(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        kept: Vec<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> NormGrads<Self> {
        let [mean, inverse_deviation] = &kept[..] else {
            return composed::layer_norm_grads::<Self>(x, gamma, grad, epsilon);
        };
        let (x, gamma, beta) =
            operations::layer_norm_grads(grad, x, gamma, [mean, inverse_deviation]);
        let [x, gamma, beta] = [x, gamma, beta].map(TchTensor::new);
        NormGrads { x, gamma, beta }
    }
}
