//! Weight-standardised convolution with size-dependent padding.

use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::embed::parts::projection::to_map;
use crate::grid::{Remainder, Window};
use crate::ops::{Images, at_least_single, project_pixels};
use crate::or_panic::OrPanic;

/// How a convolution's weight is standardised: mean 0 and variance 1 over each output channel's values.
///
/// Qiao et al., [Weight Standardization](https://arxiv.org/abs/1903.10520). The variance divides by the
/// number of values. Half precision is standardised in `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum WeightStandardization {
    /// `(w − μ)/√(σ² + epsilon)`: `StdConv2dSame` of timm 1.0.31.
    UnderRoot {
        /// Added to the variance.
        epsilon: f64,
    },
    /// `(w − μ)/(σ + epsilon)`: `vit_jax/models_resnet.py` (`weight_standardize`).
    BesideRoot {
        /// Added to the deviation.
        epsilon: f64,
    },
}

impl WeightStandardization {
    /// timm's in hybrid models, also for the weights that came from JAX.
    pub const TIMM: Self = Self::UnderRoot { epsilon: 1e-8 };
    /// JAX's. Its outputs differ from timm's by some 4·10⁻⁴.
    pub const JAX: Self = Self::BesideRoot { epsilon: 1e-5 };

    fn apply(self, weight: Tensor<4>) -> Tensor<4> {
        let (shape, dtype) = (weight.dims(), weight.dtype());
        let [dim, values] = [shape[0], shape[1..].iter().product()];
        let flat = weight.cast(at_least_single(dtype)).reshape([dim, values]);
        let centred = flat.clone() - flat.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        let deviation = match self {
            Self::UnderRoot { epsilon } => (variance + epsilon).sqrt(),
            Self::BesideRoot { epsilon } => variance.sqrt() + epsilon,
        };
        (centred / deviation).reshape(shape).cast(dtype)
    }
}

/// The windows of TensorFlow's SAME padding over a map of `size`: `⌈size/stride⌉` of them per axis, with no
/// more zeros than they need, the smaller half first.
pub(crate) fn same_window(kernel: [usize; 2], stride: [usize; 2], size: [usize; 2]) -> Window {
    let padding = [0, 1].map(|axis| {
        let last = size[axis].div_ceil(stride[axis]).saturating_sub(1) * stride[axis];
        (last + kernel[axis]).saturating_sub(size[axis])
    });
    let before = padding.map(|both| both / 2);
    Window {
        kernel,
        stride,
        pad_before: before,
        pad_after: [0, 1].map(|axis| padding[axis] - before[axis]),
        remainder: Remainder::Floor,
    }
}

/// The convolution with its weight standardised and SAME padding; it has no bias.
pub(crate) fn std_convolve(
    conv: &Conv2d,
    map: Images,
    standardization: WeightStandardization,
) -> Tensor<4> {
    let [batch, _, height, width] = map.dims();
    let grid = same_window(conv.kernel_size, conv.stride, [height, width])
        .layout([height, width])
        .or_panic();
    let weight = standardization.apply(conv.weight.val());
    let [dim, ..] = weight.dims();
    let tokens = project_pixels(map, weight, None, None, None, &grid);
    to_map(tokens, [batch, dim, grid.rows, grid.cols])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn same_padding_gives_ceil_of_size_over_stride_with_the_smaller_half_first() {
        for size in 1..30 {
            for (kernel, stride) in [(7, 2), (3, 2), (1, 2), (3, 1), (2, 3)] {
                let window = same_window([kernel; 2], [stride; 2], [size; 2]);
                let grid = window.layout([size; 2]).unwrap();
                assert_eq!(grid.rows, size.div_ceil(stride));
                let [before, after] = [window.pad_before[0], window.pad_after[0]];
                assert!(after == before || after == before + 1);
            }
        }
        // 3×3 at stride 2 over an even map has a zero below and none above.
        let window = same_window([3, 3], [2, 2], [8, 9]);
        assert_eq!((window.pad_before, window.pad_after), ([0, 1], [1, 1]));
    }

    #[test]
    fn standardised_weights_have_mean_zero_and_variance_one() {
        let device = Device::flex();
        let weight = Tensor::random([5, 3, 4, 2], Distribution::Uniform(1.0, 4.0), &device);
        for standardization in [WeightStandardization::TIMM, WeightStandardization::JAX] {
            let flat = standardization.apply(weight.clone()).reshape([5, 24]);
            let (variance, mean) = flat.var_mean_bias(1);
            let worst: f32 = ((variance - 1.0).abs() + mean.abs()).max().into_scalar();
            assert!(worst < 1e-4, "{worst}");
        }
    }

    #[test]
    fn timm_adds_epsilon_to_the_variance_and_jax_to_the_deviation() {
        let device = Device::flex();
        // Mean 0.02, deviation 0.01.
        let weight = Tensor::<1>::from_floats([0.01, 0.03], &device).reshape([1, 2, 1, 1]);
        let largest = |standardization: WeightStandardization| -> f32 {
            standardization.apply(weight.clone()).max().into_scalar()
        };
        assert!((largest(WeightStandardization::TIMM) - 0.999_95).abs() < 1e-6);
        assert!((largest(WeightStandardization::JAX) - 0.999_001).abs() < 1e-6);
    }
}
