//! The exact GELU on slices of `f32`, written so that the compiler vectorises it.
//!
//! `Φ` by Abramowitz and Stegun, formula 7.1.26 (absolute error of erf below 1.5·10⁻⁷, the size of one
//! rounding in `f32`), which shares its exponential with the density that the gradient needs.

use core::f32::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

/// `1/√(2π)`.
const DENSITY_AT_ZERO: f32 = 0.398_942_3;

/// `x·Φ(x)`.
pub(crate) fn gelu(x: &[f32], out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(x) {
        let (cdf, _) = normal(x);
        *out = x * cdf;
    }
}

/// `grad·(Φ(x) + x·φ(x))`.
pub(crate) fn gelu_grad(x: &[f32], grad: &[f32], out: &mut [f32]) {
    for ((out, &x), &grad) in out.iter_mut().zip(x).zip(grad) {
        let (cdf, density) = normal(x);
        *out = grad * (cdf + x * density);
    }
}

/// Distribution function and density of the standard normal distribution.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let exponential = exp_minus(0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * FRAC_1_SQRT_2 * x.abs());
    let poly = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t
        + 0.254_829_6)
        * t;
    let tail = 0.5 * poly * exponential;
    let cdf = if x >= 0.0 { 1.0 - tail } else { tail };
    (cdf, DENSITY_AT_ZERO * exponential)
}

/// `e^(−z)` for `z ≥ 0`: powers of two by exponent bits, the rest by Taylor's series on ±½·ln 2.
#[inline(always)]
fn exp_minus(z: f32) -> f32 {
    /// `1.5·2²³`: adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LOWEST_EXPONENT: f32 = -126.0;
    let power = (-z * LOG2_E).max(LOWEST_EXPONENT);
    let rounded = power + ROUND;
    let rest = (power - (rounded - ROUND)) * LN_2;
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5
                        + rest
                            * (1.0 / 6.0
                                + rest * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest / 720.0)))));
    let exponent = rounded
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127);
    f32::from_bits(exponent << 23) * series
}
