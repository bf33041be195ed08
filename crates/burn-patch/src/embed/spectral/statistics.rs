//! Mean and deviation of features, measured once and then divided out.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::Error;
use crate::ops::at_least_single;

/// A standard deviation below this is a feature that never varies, which is left unscaled.
const CONSTANT: f64 = 1e-6;

/// Mean and standard deviation of each feature: buffers that are saved with the module and not trained.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{DctPatchEmbedConfig, Frequencies};
///
/// let device = Device::flex();
/// let config = DctPatchEmbedConfig::new([2, 2], 1, 8).with_frequencies(Frequencies::First(1));
/// // The constant coefficient of an even patch of 2×2 is twice its value, and never varies.
/// let embed = config.init(&device).with_statistics_of(Tensor::ones([1, 1, 4, 4], &device) * 3.0);
/// let statistics = embed.statistics.unwrap();
/// let [mean, std]: [f32; 2] = [statistics.mean, statistics.std].map(|value| value.val().into_scalar());
/// assert!((mean - 6.0).abs() < 1e-5);
/// assert_eq!(std, 1.0);
/// ```
#[derive(Module, Debug)]
pub struct FeatureStatistics {
    /// Mean, `[features]`.
    pub mean: Param<Tensor<1>>,
    /// Standard deviation, `[features]`.
    pub std: Param<Tensor<1>>,
}

impl FeatureStatistics {
    /// Mean 0 and deviation 1, which change nothing.
    pub(crate) fn identity(features: usize, device: &Device) -> Self {
        Self::from_tensors(
            Tensor::zeros([features], device),
            Tensor::ones([features], device),
        )
    }

    /// # Errors
    ///
    /// [`Error::Shape`] for another count than `features`, [`Error::Range`] for a deviation that is not positive
    /// and finite, or a mean that is not finite.
    pub(crate) fn from_slices(
        mean: &[f32],
        std: &[f32],
        features: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        for (what, got) in [("means", mean.len()), ("deviations", std.len())] {
            if got != features {
                return Err(Error::Shape {
                    what,
                    expected: vec![features],
                    got: vec![got],
                });
            }
        }
        let range = |what, expected: &str, got: &f32| Error::Range {
            what,
            expected: expected.into(),
            got: f64::from(*got),
        };
        if let Some(got) = mean.iter().find(|mean| !mean.is_finite()) {
            return Err(range("mean of a feature", "a finite number", got));
        }
        if let Some(got) = std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            return Err(range("deviation of a feature", "a positive number", got));
        }
        let tensor = |values: &[f32]| {
            let values: Vec<f32> = values.to_vec();
            Tensor::from_data(TensorData::new(values, [features]), device)
        };
        Ok(Self::from_tensors(tensor(mean), tensor(std)))
    }

    /// Statistics of `features` (`[batch, tokens, features]`) over images and tokens, in `f32` at least: half precision
    /// has no room for the squares.
    pub(crate) fn of(features: Tensor<3>) -> Self {
        let [batch, tokens, count] = features.dims();
        let precise = at_least_single(features.dtype());
        let rows = features.detach().cast(precise);
        let rows = rows.reshape([batch * tokens, count]);
        let mean = rows.clone().mean_dim(0);
        let away = rows - mean.clone();
        let std = (away.clone() * away).mean_dim(0).sqrt();
        let constant = std.clone().lower_elem(CONSTANT);
        let std = std.mask_fill(constant, 1.0);
        Self::from_tensors(mean.reshape([count]), std.reshape([count]))
    }

    fn from_tensors(mean: Tensor<1>, std: Tensor<1>) -> Self {
        let fixed = |value| Param::from_tensor(value).set_require_grad(false);
        Self {
            mean: fixed(mean),
            std: fixed(std),
        }
    }

    /// `(features − mean)/std`.
    pub(crate) fn normalise(&self, features: Tensor<3>) -> Tensor<3> {
        let dtype = features.dtype();
        let along = |value: Tensor<1>| value.cast(dtype).unsqueeze::<3>();
        (features - along(self.mean.val())) / along(self.std.val())
    }

    /// The projection of raw features that does what `weight` `[features, dim]` and `bias` do to normalised ones:
    /// `(W/std, b − (W/std)ᵀ·mean)`.
    pub(crate) fn fold(
        &self,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    ) -> (Tensor<2>, Option<Tensor<1>>) {
        let dtype = weight.dtype();
        let down = |value: Tensor<1>| value.cast(dtype).unsqueeze_dim::<2>(1);
        let weight = weight / down(self.std.val());
        let shift = -(weight.clone() * down(self.mean.val()))
            .sum_dim(0)
            .squeeze_dim::<1>(0);
        let bias = match bias {
            Some(bias) => bias + shift,
            None => shift,
        };
        (weight, Some(bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Tolerance};

    /// The constant coefficient of a patch of 16×16 bytes reaches 4080.
    #[test]
    fn coefficients_of_bytes_in_half_precision_have_their_deviation() {
        let values =
            [1000.0, 3000.0].map(|value| Tensor::<3>::full([1, 500, 1], value, &Device::flex()));
        let features = Tensor::cat(values.to_vec(), 1).cast(DType::F16);
        let statistics = FeatureStatistics::of(features.clone());
        let tolerance = Tolerance::<f32>::relative(1e-3);
        for (got, want) in [(&statistics.mean, 2000.0f32), (&statistics.std, 1000.0)] {
            let got = got.val().cast(DType::F32).into_data();
            got.assert_approx_eq(&[want].into(), tolerance);
        }
        let normal = statistics.normalise(features).cast(DType::F32).abs();
        let ones = normal.ones_like().into_data();
        normal.into_data().assert_approx_eq(&ones, tolerance);
    }
}
