//! Layer normalisation as one operation.

use burn::backend::Dispatch;
use burn::tensor::{DType, FloatDType, Tensor};

use crate::ops::LayerOps;

/// Layer normalisation over the last axis, with `1/dim` in the variance and `epsilon` under the root.
///
/// Ba et al., [Layer Normalization](https://arxiv.org/abs/1607.06450), eq. 4. `f16` is computed in
/// `f32`, as Burn's module does.
///
/// # Shapes
///
/// - x `[.., dim]`; output: the same shape
/// - gamma and beta `[dim]`
///
/// # Panics
///
/// If gamma or beta is not as long as the last axis of `x`.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    if x.dtype() == DType::F16 {
        let [gamma, beta] = [gamma, beta].map(|value| value.cast(FloatDType::F32));
        return layer_norm(x.cast(FloatDType::F32), gamma, beta, epsilon).cast(FloatDType::F16);
    }
    let shape = x.dims();
    let dim = shape[D - 1];
    assert_eq!(gamma.dims(), [dim], "gamma");
    assert_eq!(beta.dims(), [dim], "beta");
    let rows: usize = shape[..D - 1].iter().product();
    Tensor::<2>::from_dispatch(<Dispatch as LayerOps>::layer_norm_forward(
        x.reshape([rows, dim]).into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
    ))
    .reshape(shape)
}
