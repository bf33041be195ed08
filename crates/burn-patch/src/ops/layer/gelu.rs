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
    use burn::tensor::{Device, TensorData, Tolerance};

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
    fn extremes_stay_finite_and_nan_stays_nan() {
        let x = [-1e30, 1e30, 0.0, f32::INFINITY, f32::NAN];
        let y = gelu(Tensor::<1>::from_floats(x, &Device::flex()));
        let y = y.into_data().try_to_vec_as::<f32>().unwrap();
        assert_eq!(y[..4], [0.0, 1e30, 0.0, f32::INFINITY]);
        assert!(y[4].is_nan());
    }
}
