//! Every tolerance, named. Differences are relative to the largest magnitude of the tensor at hand,
//! which is how rounding errors of sums scale.

use burn::tensor::DType;

/// Values and gradients of `f32`: some 80 roundings of 6·10⁻⁸, for sums of up to a few hundred terms.
pub const F32: f64 = 1e-5;

/// The least that a gradient is compared to, as a share of its module's largest. A gradient whose terms nearly
/// cancel, such as that of a bias that a softmax over the places takes back, carries their rounding errors, which are
/// as large as those of the others: with [`F32`], a tenth allows 10⁻⁶ of the largest, some 16 roundings.
pub const CANCELLED: f64 = 0.1;

/// Values of `f16`, whose rounding is 5·10⁻⁴, through a few layers.
pub const F16: f64 = 1e-2;

/// Values of `bf16`, whose rounding is 4·10⁻³, through as many layers.
pub const BF16: f64 = 8e-2;

/// Central differences in `f64`: truncation of order step², rounding of order 10⁻¹⁶/step.
pub const FINITE_DIFFERENCE: f64 = 1e-6;

/// Parity with PyTorch through whole models, whose sums run in another order.
pub const MODEL: f64 = 2e-5;

/// Tolerance for values of a dtype.
///
/// # Panics
///
/// For a dtype that has none.
pub fn of(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => F32,
        DType::F16 => F16,
        DType::BF16 => BF16,
        other => panic!("no tolerance for {other:?}"),
    }
}
