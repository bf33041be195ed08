//! The linear layer as one operation.

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor, module};

use crate::ops::{Bias, LayerOps, dequantized};

/// A linear layer: `x·W + b` over the last axis.
///
/// # Shapes
///
/// - x `[.., input]`
/// - weight `[input, output]`, as in Burn's `Linear`
/// - bias `[output]`
/// - result `[.., output]`
///
/// The same numbers as `burn::tensor::module::linear`, which it calls for quantized weights; a quantized bias is
/// [dequantized].
///
/// # Panics
///
/// If the last axis of `x` is not the weight's first, or the three are not of one type.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let bias = bias.map(dequantized);
    if matches!(weight.dtype(), DType::QFloat(_)) {
        return module::linear(x, weight, bias);
    }
    let mut shape = x.dims();
    let [input, output] = weight.dims();
    assert_eq!(shape[D - 1], input, "last axis of x and first of weight");
    assert_eq!(weight.dtype(), x.dtype(), "types of weight and x");
    if let Some(bias) = &bias {
        assert_eq!(bias.dtype(), x.dtype(), "types of bias and x");
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    #[should_panic(expected = "types of weight and x")]
    fn a_weight_of_another_type_is_refused() {
        let device = Device::flex();
        let weight = Tensor::ones([3, 4], (&device, DType::F16));
        linear(Tensor::<2>::ones([2, 3], &device), weight, None);
    }

    /// An odd value makes the whole row of x, or column of the weight, odd; nothing else.
    #[test]
    fn what_is_not_a_number_spreads_along_its_row_or_column() {
        let device = Device::flex().autodiff();
        for dtype in [DType::F32, DType::F64] {
            let leaf = |shape: [usize; 2], nan: bool| {
                let mut values = vec![0.0; shape[0] * shape[1]];
                if nan {
                    values[0] = f64::NAN;
                }
                Tensor::<2>::from_data(TensorData::new(values, shape), (&device, dtype))
                    .require_grad()
            };
            for nan_in_weight in [false, true] {
                let (x, weight) = (leaf([20, 3], !nan_in_weight), leaf([3, 17], nan_in_weight));
                let y = linear(x.clone(), weight.clone(), None);
                let grads = y.clone().sum().backward();
                let nans = |tensor: Tensor<2>| -> usize {
                    tensor.is_nan().int().sum().into_scalar::<i64>() as usize
                };
                let found = [y, x.grad(&grads).unwrap(), weight.grad(&grads).unwrap()];
                let want = match nan_in_weight {
                    true => [20, 20, 0],
                    false => [17, 0, 17],
                };
                assert_eq!(found.map(nans), want, "{dtype:?}");
            }
        }
    }
}
