//! The linear layer as one operation.

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor, module};

use crate::ops::{Bias, LayerOps};

/// A linear layer: `x·W + b` over the last axis.
///
/// # Shapes
///
/// - x `[.., input]`
/// - weight `[input, output]`, as in Burn's `Linear`
/// - bias `[output]`
/// - result `[.., output]`
///
/// The same numbers as `burn::tensor::module::linear`, which it calls for quantized weights.
///
/// # Panics
///
/// If the last axis of `x` is not the weight's first.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    if matches!(weight.dtype(), DType::QFloat(_)) {
        return module::linear(x, weight, bias);
    }
    let mut shape = x.dims();
    let [input, output] = weight.dims();
    assert_eq!(shape[D - 1], input, "last axis of x and first of weight");
    let rows: usize = shape[..D - 1].iter().product();
    let x = x.reshape([rows, input]);
    shape[D - 1] = output;
    Tensor::<2>::from_dispatch(<Dispatch as LayerOps>::linear_forward(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.map_or(Bias::Absent, |bias| Bias::Present(bias.into_dispatch())),
    ))
    .reshape(shape)
}
