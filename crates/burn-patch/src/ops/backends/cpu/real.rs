//! The float types that the kernels compute in, with the few functions that they need.

use core::f32::consts::{LN_2, LOG2_E};
use core::ops::{Add, AddAssign, Div, Mul, Sub};

use faer::traits::RealField;

/// A float type that the kernels compute in.
pub(in crate::ops::backends) trait Real:
    RealField
    + Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + AddAssign
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    const ONE: Self;
    fn of(value: f64) -> Self;
    fn of_byte(value: u8) -> Self;
    fn sqrt(self) -> Self;
    /// `e^(−self)` for `self ≥ 0`; of NaN, NaN. In `f32` what is less than about 2^−126.5 is 0, not a subnormal number.
    fn exp_minus(self) -> Self;
}

impl Real for f32 {
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn of_byte(value: u8) -> Self {
        Self::from(value)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }

    /// Powers of two by exponent bits, the rest by Taylor's series on ±½·ln 2, so that the compiler
    /// vectorises it.
    #[inline(always)]
    fn exp_minus(self) -> Self {
        /// `1.5·2²³`: adding it rounds to an integer, which then stands in the low bits.
        const ROUND: f32 = 12_582_912.0;
        /// Its exponent bits are those of 0.
        const LOWEST_EXPONENT: f32 = -127.0;
        let power = -self * LOG2_E;
        // Not `max`, which would drop a NaN.
        let power = if power < LOWEST_EXPONENT {
            LOWEST_EXPONENT
        } else {
            power
        };
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
}

impl Real for f64 {
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn of_byte(value: u8) -> Self {
        Self::from(value)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }

    #[inline(always)]
    fn exp_minus(self) -> Self {
        (-self).exp()
    }
}

/// Independent partial results of a reduction: as many as a vector register holds.
const LANES: usize = 16;

/// Sum of `value(i)` for `i` in `0..len`, in a fixed order that vectorises.
#[inline(always)]
pub(super) fn sum<T: Real>(len: usize, value: impl Fn(usize) -> T) -> T {
    reduce(len, T::default(), value, |sum, value| sum + value)
}

/// The largest of `values`, which are not empty. It may pass over a NaN.
#[inline(always)]
pub(super) fn largest<T: Real>(values: &[T]) -> T {
    reduce(
        values.len(),
        values[0],
        |index| values[index],
        |most, value| if value > most { value } else { most },
    )
}

#[inline(always)]
fn reduce<T: Real>(
    len: usize,
    start: T,
    value: impl Fn(usize) -> T,
    join: impl Fn(T, T) -> T,
) -> T {
    let mut lanes = [start; LANES];
    let whole = len / LANES * LANES;
    let mut first = 0;
    while first < whole {
        for (lane, partial) in lanes.iter_mut().enumerate() {
            *partial = join(*partial, value(first + lane));
        }
        first += LANES;
    }
    let rest = (whole..len).fold(start, |partial, index| join(partial, value(index)));
    lanes.into_iter().fold(rest, &join)
}
