//! Published stems, and steps for a stride.

use serde::{Deserialize, Serialize};

use crate::embed::conv_stem::activation::{StemActivation, StemEnd};
use crate::embed::parts::conv_norm::ConvStep;

/// Published convolutional stems, one token per 16×16 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConvStemPreset {
    /// LeViT-128S.
    Levit128S,
    /// LeViT-128.
    Levit128,
    /// LeViT-192.
    Levit192,
    /// LeViT-256.
    Levit256,
    /// LeViT-384.
    Levit384,
    /// ViT-C of 1 GFLOP.
    VitC1Gf,
    /// ViT-C of 4 GFLOP.
    VitC4Gf,
    /// ViT-C of 18 GFLOP.
    VitC18Gf,
    /// ViT-C of 36 GFLOP.
    VitC36Gf,
}

/// Activation, stride and channels of each 3×3 step, end.
type Rows = (StemActivation, &'static [(usize, usize)], StemEnd);

impl ConvStemPreset {
    pub(crate) const fn rows(self) -> Rows {
        use StemActivation::{Hardswish, Relu};
        use StemEnd::{Norm, Projection};
        const WIDE: &[(usize, usize)] =
            &[(2, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)];
        match self {
            Self::Levit128S | Self::Levit128 => {
                (Hardswish, &[(2, 16), (2, 32), (2, 64), (2, 128)], Norm)
            }
            Self::Levit192 => (Hardswish, &[(2, 24), (2, 48), (2, 96), (2, 192)], Norm),
            Self::Levit256 => (Hardswish, &[(2, 32), (2, 64), (2, 128), (2, 256)], Norm),
            Self::Levit384 => (Hardswish, &[(2, 48), (2, 96), (2, 192), (2, 384)], Norm),
            Self::VitC1Gf => (
                Relu,
                &[(2, 24), (2, 48), (2, 96), (2, 192)],
                Projection { dim: 192 },
            ),
            Self::VitC4Gf => (
                Relu,
                &[(2, 48), (2, 96), (2, 192), (2, 384)],
                Projection { dim: 384 },
            ),
            Self::VitC18Gf => (Relu, WIDE, Projection { dim: 768 }),
            Self::VitC36Gf => (Relu, WIDE, Projection { dim: 1024 }),
        }
    }
}

/// One step per prime factor, channels doubling up to `dim`.
pub(crate) fn halving_steps(stride: [usize; 2], dim: usize) -> Vec<ConvStep> {
    let factors = stride.map(prime_factors);
    let count = count_steps(&factors);
    (0..count)
        .map(|step| {
            let width = match count - 1 - step {
                0 => dim,
                halvings => eights(dim >> halvings),
            };
            overlapping(nth_stride(&factors, step), width)
        })
        .collect()
}

/// Patches of up to four first, then overlapping steps; channels double up to half of `dim`.
pub(crate) fn hardware_aware_steps(stride: [usize; 2], dim: usize) -> Vec<ConvStep> {
    let factors = stride.map(|stride| match stride {
        stride if stride > 0 && stride.is_multiple_of(4) => {
            let mut factors = prime_factors(stride / 4);
            factors.insert(0, 4);
            factors
        }
        stride => prime_factors(stride),
    });
    let count = count_steps(&factors);
    (0..count)
        .map(|step| {
            let stride = nth_stride(&factors, step);
            let width = eights(dim >> (count - step));
            match step {
                0 => ConvStep {
                    padding: Some([0, 0]),
                    ..ConvStep::new(stride, stride, width)
                },
                _ => overlapping(stride, width),
            }
        })
        .collect()
}

fn count_steps(factors: &[Vec<usize>; 2]) -> usize {
    factors[0].len().max(factors[1].len()).max(1)
}

fn nth_stride(factors: &[Vec<usize>; 2], step: usize) -> [usize; 2] {
    [0, 1].map(|axis| factors[axis].get(step).copied().unwrap_or(1))
}

/// The references' proportion, 3 at stride 2, and no less than 3.
fn overlapping(stride: [usize; 2], dim: usize) -> ConvStep {
    let kernel = stride.map(|step| (2 * step).saturating_sub(1).max(3));
    ConvStep::new(kernel, stride, dim)
}

/// The next multiple of eight, at least eight.
fn eights(channels: usize) -> usize {
    channels.div_ceil(8).max(1) * 8
}

/// In rising order; none of 1, and 0 of 0.
fn prime_factors(number: usize) -> Vec<usize> {
    let mut factors = Vec::new();
    let mut rest = number;
    let mut divisor = 2;
    while divisor <= rest / divisor {
        if rest.is_multiple_of(divisor) {
            factors.push(divisor);
            rest /= divisor;
        } else {
            divisor += 1;
        }
    }
    if rest != 1 {
        factors.push(rest);
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, &[0])]
    #[case(1, &[])]
    #[case(2, &[2])]
    #[case(12, &[2, 2, 3])]
    #[case(49, &[7, 7])]
    fn strides_fall_into_prime_factors(#[case] stride: usize, #[case] want: &[usize]) {
        assert_eq!(prime_factors(stride), want);
    }

    #[rstest]
    #[case([16, 16], &[[4, 4], [2, 2], [2, 2]])]
    #[case([4, 2], &[[4, 2]])]
    #[case([6, 8], &[[2, 4], [3, 2]])]
    #[case([1, 1], &[[1, 1]])]
    fn strides_are_mixed(#[case] stride: [usize; 2], #[case] want: &[[usize; 2]]) {
        let steps = hardware_aware_steps(stride, 64);
        let strides: Vec<[usize; 2]> = steps.iter().map(|step| step.stride).collect();
        assert_eq!(strides, want);
    }
}
