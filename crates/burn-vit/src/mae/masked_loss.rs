//! The loss over masked patches.

use burn::tensor::Tensor;
use burn_patch::ops::at_least_single;

/// Mean square of `error` (`[batch, patches, values]`) over the patches where `mask` (`[batch, patches]`) is 1, the
/// mean of each image first; 0 where none is.
///
/// The result, `[1]`, is in the error's type. Half precision is computed in `f32`, which has room for the sums.
pub(crate) fn masked_mean_square(error: Tensor<3>, mask: Tensor<2>) -> Tensor<1> {
    let dtype = error.dtype();
    let precise = at_least_single(dtype);
    let error = error.cast(precise).square();
    let error = error.mean_dim(2).squeeze_dim::<2>(2);
    let mask = mask.cast(precise);
    let masked = mask.clone().sum_dim(1).clamp_min(1.0);
    let loss = ((error * mask).sum_dim(1) / masked).mean();
    loss.cast(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};

    #[test]
    fn errors_of_bytes_over_many_patches_fit_half_precision() {
        let device = Device::flex();
        let error = Tensor::full([2, 196, 48], 100.0, (&device, DType::F16));
        let loss = masked_mean_square(error, Tensor::ones([2, 196], &device));
        assert_eq!(loss.dtype(), DType::F16);
        // The nearest to 10000 in half precision is itself.
        assert_eq!(loss.cast(DType::F32).into_scalar::<f32>(), 10_000.0);
    }

    #[test]
    fn without_masked_patches_the_loss_is_zero() {
        let device = Device::flex();
        let loss = masked_mean_square(
            Tensor::ones([2, 3, 4], &device),
            Tensor::zeros([2, 3], &device),
        );
        assert_eq!(loss.into_scalar::<f32>(), 0.0);
    }
}
