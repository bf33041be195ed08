//! Patches normalised by their own statistics.

use burn::tensor::Tensor;
use burn_patch::ops::at_least_single;

/// `(p − mean(p))/√(var(p) + epsilon)` of patches `[batch, patches, values]` with the unbiased variance; then the mean
/// and the deviation, `[batch, patches, 1]`, that lead back.
///
/// All are in the patches' type. Half precision is computed in `f32`: squares of pixels in `0..255` have no room in it.
pub(crate) fn normalize_patches(patches: Tensor<3>, epsilon: f64) -> [Tensor<3>; 3] {
    let dtype = patches.dtype();
    let patches = patches.cast(at_least_single(dtype));
    let mean = patches.clone().mean_dim(2);
    let deviation = (patches.clone().var(2) + epsilon).sqrt();
    let normal = (patches - mean.clone()) / deviation.clone();
    [normal, mean, deviation].map(|values| values.cast(dtype))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, Distribution, Tolerance};

    #[test]
    fn bytes_in_half_precision_get_mean_zero_and_variance_one() {
        let bytes = Distribution::Uniform(0.0, 255.0);
        let patches = Tensor::<3>::random([2, 3, 192], bytes, &Device::flex());
        let half = patches.cast(DType::F16);
        let [normal, mean, deviation] = normalize_patches(half.clone(), 1e-6);
        assert_eq!(normal.dtype(), DType::F16);
        let single = |values: Tensor<3>| values.cast(DType::F32);
        let (variance, middle) = single(normal.clone()).var_mean(2);
        let tolerance = Tolerance::<f32>::absolute(2e-3);
        let ones = variance.ones_like().into_data();
        variance.into_data().assert_approx_eq(&ones, tolerance);
        let zeros = middle.zeros_like().into_data();
        middle.into_data().assert_approx_eq(&zeros, tolerance);
        let back = single(normal * deviation + mean).into_data();
        back.assert_approx_eq(&single(half).into_data(), Tolerance::<f32>::absolute(0.3));
    }
}
