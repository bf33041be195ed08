//! The layers between tensors and slices.

use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::Element;

use super::host::{Host, tensor, values};
use super::{Real, gelu, layer_norm, linear, rows};
use crate::ops::{Bias, NormGrads, ParameterGrads};

pub(in crate::ops::backends) fn gelu_forward<B: Host<f32>>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    tensor::<B, f32>(gelu::gelu(values::<B, f32>(&B::contiguous(x))), shape)
}

pub(in crate::ops::backends) fn gelu_grad<B: Host<f32>>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let shape = x.shape();
    let (x, grad) = (B::contiguous(x), B::contiguous(grad));
    let grad = gelu::gelu_grad(values::<B, f32>(&x), values::<B, f32>(&grad));
    tensor::<B, f32>(grad, shape)
}

pub(in crate::ops::backends) fn linear_forward<B: Host<T>, T: Real + Element>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
) -> FloatTensor<B> {
    let [rows, _] = x.shape().dims::<2>();
    let [input, output] = weight.shape().dims::<2>();
    let bias = bias.into_option().map(B::contiguous);
    let out = linear::linear(
        values::<B, T>(&B::contiguous(x)),
        values::<B, T>(&B::contiguous(weight)),
        bias.as_ref().map(values::<B, T>),
        [input, output],
    );
    tensor::<B, T>(out, [rows, output])
}

pub(in crate::ops::backends) fn linear_x_grad<B: Host<T>, T: Real + Element>(
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let [rows, _] = grad.shape().dims::<2>();
    let [input, output] = weight.shape().dims::<2>();
    let (weight, grad) = (B::contiguous(weight), B::contiguous(grad));
    let (weight, grad) = (values::<B, T>(&weight), values::<B, T>(&grad));
    tensor::<B, T>(linear::x_grad(weight, grad, [input, output]), [rows, input])
}

pub(in crate::ops::backends) fn linear_parameter_grads<B: Host<T>, T: Real + Element>(
    x: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> ParameterGrads<B> {
    let [_, input] = x.shape().dims::<2>();
    let [_, output] = grad.shape().dims::<2>();
    let (x, grad) = (B::contiguous(x), B::contiguous(grad));
    let (x, grad) = (values::<B, T>(&x), values::<B, T>(&grad));
    let grads = linear::parameter_grads(x, grad, [input, output]);
    ParameterGrads {
        weight: tensor::<B, T>(grads.weight, [input, output]),
        bias: tensor::<B, T>(grads.bias, [output]),
    }
}

pub(in crate::ops::backends) fn layer_norm_forward<B: Host<T>, T: Real + Element>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let shape = x.shape();
    let out = layer_norm::layer_norm(
        values::<B, T>(&B::contiguous(x)),
        values::<B, T>(&B::contiguous(gamma)),
        values::<B, T>(&B::contiguous(beta)),
        epsilon,
    );
    tensor::<B, T>(out, shape)
}

pub(in crate::ops::backends) fn layer_norm_grads<B: Host<T>, T: Real + Element>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    grad: FloatTensor<B>,
    epsilon: f64,
) -> NormGrads<B> {
    let (shape, dim) = (x.shape(), gamma.shape());
    let grads = layer_norm::layer_norm_grads(
        values::<B, T>(&B::contiguous(x)),
        values::<B, T>(&B::contiguous(gamma)),
        values::<B, T>(&B::contiguous(grad)),
        epsilon,
    );
    NormGrads {
        x: tensor::<B, T>(grads.x, shape),
        gamma: tensor::<B, T>(grads.gamma, dim.clone()),
        beta: tensor::<B, T>(grads.beta, dim),
    }
}

pub(in crate::ops::backends) fn gather_rows<B: Host<T>, T: Real + Element>(
    table: FloatTensor<B>,
    index: IntTensor<B>,
) -> FloatTensor<B> {
    let (shape, [batch, kept]) = (table.shape().dims::<3>(), index.shape().dims());
    let (table, index) = (B::contiguous(table), B::integers(index));
    let out = rows::gather(values::<B, T>(&table), shape, &index);
    tensor::<B, T>(out, [batch, kept, shape[2]])
}

pub(in crate::ops::backends) fn gather_rows_grad<B: Host<T>, T: Real + Element>(
    shape: [usize; 3],
    index: IntTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let (grad, index) = (B::contiguous(grad), B::integers(index));
    let out = rows::scatter_add(values::<B, T>(&grad), shape, &index);
    tensor::<B, T>(out, shape)
}
