//! The type to compute in where half precision has no room.

use burn::tensor::DType;

/// `F64` for `F64` and `F32` for any other float: what sums and squares of `dtype` are computed in.
///
/// `f16` ends at 65504 and counts by ones up to 2048 only, `bf16` up to 256.
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use burn_patch::ops::at_least_single;
///
/// let half = Tensor::<1>::full([2000], 40.0, (&Device::flex(), DType::F16));
/// let sum = half.cast(at_least_single(DType::F16)).sum();
/// assert_eq!(sum.into_scalar::<f32>(), 80_000.0);
/// ```
pub fn at_least_single(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}
