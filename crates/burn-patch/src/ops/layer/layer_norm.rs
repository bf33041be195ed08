//! Layer normalisation as one operation.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::ops::{LayerOps, dequantized};

/// Layer normalisation over the last axis, with `1/dim` in the variance and `epsilon` under the root.
///
/// Ba et al., [Layer Normalization](https://arxiv.org/abs/1607.06450), eq. 4. `f16` and `bf16` are computed in
/// `f32`.
///
/// # Shapes
///
/// - x `[.., dim]`; output: the same shape
/// - gamma and beta `[dim]`, [dequantized] where they are quantized
///
/// # Panics
///
/// If gamma or beta is not as long as the last axis of `x`, or not of its type.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let shape = x.dims();
    let dim = shape[D - 1];
    assert_eq!(gamma.dims(), [dim], "gamma");
    assert_eq!(beta.dims(), [dim], "beta");
    let (gamma, beta) = (dequantized(gamma), dequantized(beta));
    assert_eq!(gamma.dtype(), x.dtype(), "types of gamma and x");
    assert_eq!(beta.dtype(), x.dtype(), "types of beta and x");
    let rows: usize = shape[..D - 1].iter().product();
    Tensor::<2>::from_dispatch(<Dispatch as LayerOps>::layer_norm_forward(
        x.reshape([rows, dim]).into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
    ))
    .reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, TensorData};

    const ROWS: [[f64; 3]; 3] = [[0.5, -1.0, 2.0], [1.0, 0.25, -0.5], [-2.0, 1.5, 0.0]];
    const EPSILON: f64 = 1e-6;

    /// The result and the gradients of x, gamma and beta, as numbers.
    fn run(
        x: [[f64; 3]; 3],
        factors: [[f64; 3]; 3],
        dtype: DType,
        function: impl Fn(Tensor<2>, Tensor<1>, Tensor<1>) -> Tensor<2>,
    ) -> Vec<f64> {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_data(x, (&device, dtype)).require_grad();
        let row = |values: [f64; 3]| {
            Tensor::<1>::from_data(TensorData::from(values), (&device, dtype)).require_grad()
        };
        let (gamma, beta) = (row([0.5, 2.0, -1.0]), row([0.1, 0.2, 0.3]));
        let y = function(x.clone(), gamma.clone(), beta.clone());
        let factors = Tensor::<2>::from_data(factors, (&device, dtype));
        let grads = (y.clone() * factors).sum().backward();
        let grad = |tensor: Tensor<1>| tensor.grad(&grads).unwrap().into_data();
        let all = [
            y.into_data(),
            x.grad(&grads).unwrap().into_data(),
            grad(gamma),
            grad(beta),
        ];
        let all = all.map(|data| data.try_to_vec_as::<f64>().unwrap());
        all.concat()
    }

    fn formula(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<2> {
        let centred = x.clone() - x.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        centred / (variance + EPSILON).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
    }

    #[test]
    #[should_panic(expected = "types of gamma and x")]
    fn parameters_of_another_type_are_refused() {
        let device = Device::flex();
        let gamma = Tensor::ones([3], (&device, DType::F16));
        let (x, beta) = (
            Tensor::<2>::ones([2, 3], &device),
            Tensor::ones([3], &device),
        );
        layer_norm(x, gamma, beta, EPSILON);
    }

    #[test]
    fn what_is_not_finite_spreads_as_in_the_formula() {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5), (DType::F16, 1e-2)] {
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for in_gradient in [false, true] {
                    let (mut x, mut factors) = (ROWS, [ROWS[2], ROWS[0], ROWS[1]]);
                    match in_gradient {
                        true => factors[1][2] = odd,
                        false => x[1][2] = odd,
                    }
                    let got = run(x, factors, dtype, |x, gamma, beta| {
                        layer_norm(x, gamma, beta, EPSILON)
                    });
                    let want = run(x, factors, DType::F64, formula);
                    for (got, want) in got.iter().zip(&want) {
                        let same = match want.is_finite() {
                            true => (got - want).abs() <= tolerance * want.abs().max(1.0),
                            false => got == want || got.is_nan() && want.is_nan(),
                        };
                        assert!(same, "{odd} in {dtype:?}: {got} instead of {want}");
                    }
                }
            }
        }
    }
}
