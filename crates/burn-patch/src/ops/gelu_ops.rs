use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, backend_extension};

/// The exact GELU and its exact gradient.
///
/// Burn 0.22.1 differentiates GELU by the tanh approximation on every backend but Flex and LibTorch,
/// which is off by up to 6·10⁻⁴ and makes gradients differ between backends.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff: cfg(feature = "autodiff"),
)]
pub trait GeluOps: Backend {
    /// `x·Φ(x)`, `Φ` the standard normal distribution function.
    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu(x)
    }

    /// `∂·(Φ(x) + x·φ(x))`, `φ` the standard normal density.
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let half = Self::float_mul_scalar(x.clone(), core::f64::consts::FRAC_1_SQRT_2.into());
        let erf = Self::float_erf(half.clone());
        let cdf = Self::float_add_scalar(Self::float_mul_scalar(erf, 0.5.into()), 0.5.into());
        let exponent = Self::float_neg(Self::float_mul(half.clone(), half));
        let scale = core::f64::consts::FRAC_2_SQRT_PI * core::f64::consts::FRAC_1_SQRT_2 / 2.0;
        let density = Self::float_mul_scalar(Self::float_exp(exponent), scale.into());
        let slope = Self::float_add(cdf, Self::float_mul(x, density));
        debug_assert_eq!(slope.shape(), grad.shape());
        Self::float_mul(grad, slope)
    }
}
