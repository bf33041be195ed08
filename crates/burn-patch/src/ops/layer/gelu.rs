//! The exact GELU as one operation.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::ops::LayerOps;

/// The exact GELU, `x·Φ(x)`, with its exact gradient on every backend.
///
/// Hendrycks and Gimpel, [Gaussian Error Linear Units](https://arxiv.org/abs/1606.08415); PyTorch's
/// `GELU(approximate='none')`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::ops::gelu;
///
/// let y: f32 = gelu(Tensor::<1>::from_floats([1.0], &Device::flex())).into_scalar();
/// assert!((y - 0.841_344_7).abs() < 1e-6);
/// ```
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as LayerOps>::gelu_forward(x.into_dispatch()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::gelu as burn_gelu;
    use burn::tensor::{DType, Device, TensorData, Tolerance};

    fn points() -> TensorData {
        let points: Vec<f32> = (-1200..=1200).map(|i| i as f32 / 100.0).collect();
        let len = points.len();
        TensorData::new(points, [len])
    }

    /// Flex's own GELU and gradient, which use an erf that is exact to the last place.
    #[test]
    fn value_and_gradient_are_those_of_the_exact_gelu() {
        let device = Device::flex().autodiff();
        let tolerance = Tolerance::<f32>::rel_abs(1e-6, 1e-6);
        let run = |function: fn(Tensor<1>) -> Tensor<1>| {
            let x = Tensor::<1>::from_data(points(), &device).require_grad();
            let y = function(x.clone());
            let grads = y.clone().sum().backward();
            (y.into_data(), x.grad(&grads).unwrap().into_data())
        };
        let (value, grad) = run(gelu);
        let (want_value, want_grad) = run(burn_gelu);
        value.assert_approx_eq(&want_value, tolerance);
        grad.assert_approx_eq(&want_grad, tolerance);
    }

    #[test]
    fn extremes_stay_finite() {
        let x = Tensor::<1>::from_floats([-1e30, 1e30, 0.0], &Device::flex().autodiff());
        let x = x.require_grad();
        let y = gelu(x.clone());
        let grads = y.clone().sum().backward();
        y.into_data().assert_eq(&[0.0f32, 1e30, 0.0].into(), true);
        let grad = x.grad(&grads).unwrap();
        grad.into_data().assert_eq(&[0.0f32, 1.0, 0.5].into(), true);
    }

    /// `x·Φ(x)` and `Φ(x) + x·φ(x)`, where `0·∞` is NaN, beside a value that stays as it is.
    #[test]
    fn what_is_not_finite_spreads_as_in_the_formula() {
        let device = Device::flex().autodiff();
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        for dtype in [DType::F32, DType::F64, DType::F16] {
            let x = TensorData::from([nan, infinity, -infinity, 0.0]);
            let x = Tensor::<1>::from_data(x, (&device, dtype)).require_grad();
            let y = gelu(x.clone());
            let factors = TensorData::from([1.0, 1.0, 1.0, infinity]);
            let grads = (y.clone() * Tensor::from_data(factors, (&device, dtype))).sum();
            let grad = x.grad(&grads.backward()).unwrap();
            for (got, want) in [
                (y, [nan, infinity, nan, 0.0]),
                (grad, [nan, nan, nan, infinity]),
            ] {
                let got = got.into_data().try_to_vec_as::<f64>().unwrap();
                for (got, want) in got.iter().zip(want) {
                    assert!(
                        *got == want || got.is_nan() && want.is_nan(),
                        "{got}, {dtype:?}"
                    );
                }
            }
        }
    }
}
