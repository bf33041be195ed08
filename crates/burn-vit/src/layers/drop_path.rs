//! Residual branches dropped at random while training.

use burn::config::Config;
use burn::module::{Flag, Module, Param};
use burn::tensor::{Distribution, Tensor};

use crate::Error;

/// Configuration of [`DropPath`].
#[derive(Config, Debug)]
pub struct DropPathConfig {
    /// Probability of dropping the branch for an image.
    pub rate: f64,
}

/// Stochastic depth: drops a residual branch for whole images while training.
///
/// Huang et al., [Deep Networks with Stochastic Depth](https://arxiv.org/abs/1603.09382); timm's
/// `DropPath` with `scale_by_keep`.
///
/// # Shapes
///
/// - branch `[batch, tokens, dim]`; output: the same shape
///
/// # Departures
///
/// The draw comes from the device's generator, as in Burn's own `Dropout`, so it differs between
/// backends.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::layers::DropPathConfig;
///
/// let path = DropPathConfig::new(0.1).try_init().unwrap();
/// // On a device without autodiff nothing trains, and nothing is dropped.
/// let branch = Tensor::<3>::ones([4, 2, 3], &Device::flex());
/// path.forward(branch.clone()).into_data().assert_eq(&branch.into_data(), true);
/// assert!(DropPathConfig::new(1.0).try_init().is_err());
/// ```
#[derive(Module, Debug)]
pub struct DropPath {
    /// Probability of dropping.
    pub rate: f64,
    /// Whether to drop at all; cleared by `freeze`, as in Burn's `Dropout`.
    pub training: Param<Flag>,
}

impl DropPathConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Patch`] with a range outside `[0, 1)`.
    pub fn try_init(&self) -> Result<DropPath, Error> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::Patch(burn_patch::Error::Range {
                what: "drop path rate",
                expected: "a rate in [0, 1)".into(),
                got: self.rate,
            }));
        }
        Ok(DropPath {
            rate: self.rate,
            training: Param::from_bool(true),
        })
    }
}

impl DropPath {
    /// Drops the branch for some images, scaling the others by `1/(1 − rate)`; outside training
    /// the identity.
    pub fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        let device = branch.device();
        if self.rate == 0.0 || !self.training.is_enabled() || !device.is_autodiff() {
            return branch;
        }
        let [batch, _, _] = branch.dims();
        let keep = 1.0 - self.rate;
        let draw = Distribution::Bernoulli(keep);
        let mask = Tensor::<3>::random([batch, 1, 1], draw, (&device, branch.dtype()));
        branch * (mask / keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn whole_images_are_dropped_or_scaled_and_only_while_training() {
        let device = Device::flex().autodiff();
        let path = DropPathConfig::new(0.5).try_init().unwrap();
        let out = path
            .forward(Tensor::ones([64, 3, 2], &device))
            .without_autodiff();
        let rows = out.into_data().try_to_vec_as::<f32>().unwrap();
        let images: Vec<&[f32]> = rows.chunks(6).collect();
        assert!(
            images
                .iter()
                .all(|image| image.iter().all(|value| *value == image[0]))
        );
        assert!(
            images
                .iter()
                .all(|image| image[0] == 0.0 || image[0] == 2.0)
        );
        assert!(
            images.iter().any(|image| image[0] == 0.0)
                && images.iter().any(|image| image[0] == 2.0)
        );
        let plain = path.forward(Tensor::ones([4, 3, 2], &Device::flex()));
        plain.into_data().assert_eq(
            &Tensor::<3>::ones([4, 3, 2], &Device::flex()).into_data(),
            true,
        );
    }

    #[test]
    fn a_rate_of_one_is_an_error() {
        assert!(matches!(
            DropPathConfig::new(1.0).try_init(),
            Err(Error::Patch(burn_patch::Error::Range { .. }))
        ));
    }
}
