//! What stands between the layers of a perceptron.

use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::ops::gelu;

/// What stands between the layers of a perceptron.
///
/// Hendrycks and Gimpel, [Gaussian Error Linear Units](https://arxiv.org/abs/1606.08415), for the first three; Shazeer,
/// [GLU Variants Improve Transformer](https://arxiv.org/abs/2002.05202), for the last.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::layers::Activation;
///
/// let x = Tensor::<1>::from_floats([1.0, 3.0], &Device::flex());
/// assert_eq!(Activation::Gelu.apply(x.clone()).dims(), [2]);
/// let y: f32 = Activation::SwiGlu.apply(x).into_scalar();
/// assert!((y - 3.0 / (1.0 + (-1f32).exp())).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Activation {
    /// `x·Φ(x)`, exactly.
    #[default]
    Gelu,
    /// `x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2` (SigLIP).
    GeluTanh,
    /// `x·σ(1.702·x)` (CLIP).
    QuickGelu,
    /// `silu(a)·b` of the halves `a` and `b` of the last axis (EVA-02, DINOv2 g).
    SwiGlu,
}

/// `2·√(2/π)`.
const TANH_SCALE: f64 = 1.595_769_121_605_730_7;

impl Activation {
    /// How many values it takes for each that it gives.
    pub fn inputs(self) -> usize {
        match self {
            Self::SwiGlu => 2,
            Self::Gelu | Self::GeluTanh | Self::QuickGelu => 1,
        }
    }

    /// Applies it over the last axis.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x),
            // (1 + tanh(z))/2 = σ(2z)
            Self::GeluTanh => {
                let cubic = x.clone() * x.clone() * x.clone() * 0.044_715;
                x.clone() * logistic((x + cubic) * TANH_SCALE)
            }
            Self::QuickGelu => x.clone() * logistic(x * 1.702),
            Self::SwiGlu => {
                let half = x.dims()[D - 1] / 2;
                let gate = x.clone().slice_dim(D - 1, ..half);
                gate.clone() * logistic(gate) * x.slice_dim(D - 1, half..)
            }
        }
    }
}

/// `σ(x)`. Burn's goes through `f32` on NdArray, which spoils `f64`.
fn logistic<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F64 => (x / 2.0).tanh() / 2.0 + 0.5,
        _ => sigmoid(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tolerance};

    /// PyTorch 2.9: `gelu(x)`, `gelu(x, approximate='tanh')`, `x·sigmoid(1.702·x)`.
    #[test]
    fn values_are_those_of_pytorch() {
        let x = || Tensor::<1>::from_floats([-3.0, -1.0, -0.1, 0.5, 2.0], &Device::flex());
        for (activation, want) in [
            (
                Activation::Gelu,
                [
                    -0.004_049_7,
                    -0.158_655_2,
                    -0.046_017_2,
                    0.345_731_2,
                    1.954_499_7,
                ],
            ),
            (
                Activation::GeluTanh,
                [
                    -0.003_637_4,
                    -0.158_808_0,
                    -0.046_017_1,
                    0.345_714_0,
                    1.954_597_7,
                ],
            ),
            (
                Activation::QuickGelu,
                [
                    -0.018_067_5,
                    -0.154_200_6,
                    -0.045_755_3,
                    0.350_388_5,
                    1.935_688_5,
                ],
            ),
        ] {
            activation.apply(x()).into_data().assert_approx_eq(
                &want.map(|value: f32| value).into(),
                Tolerance::<f32>::rel_abs(1e-4, 1e-6),
            );
        }
    }

    #[test]
    fn double_precision_is_kept() {
        let x = Tensor::<1>::from_data([0.3f64], (&Device::flex(), DType::F64));
        let y: f64 = Activation::QuickGelu.apply(x).into_scalar();
        assert!((y - 0.3 / (1.0 + (-0.3f64 * 1.702).exp())).abs() < 1e-12);
    }

    #[test]
    fn far_out_they_are_zero_and_the_identity() {
        for activation in [Activation::GeluTanh, Activation::QuickGelu] {
            let x = Tensor::<1>::from_floats([-1e30, 1e30], &Device::flex());
            let want = [0.0f32, 1e30].into();
            activation.apply(x).into_data().assert_eq(&want, true);
        }
    }
}
