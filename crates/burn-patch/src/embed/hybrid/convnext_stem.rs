//! ConvNeXt's stem as a backbone.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};

use crate::Error;
use crate::embed::hybrid::backbone::Backbone;
use crate::embed::parts::projection::{project, to_map};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::epsilon::check_epsilon;
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::NORMAL;
use crate::ops::Images;
use crate::or_panic::OrPanic;

/// Configuration of [`ConvNextStem`].
#[derive(Config, Debug)]
pub struct ConvNextStemConfig {
    /// Channels of the images.
    pub channels: usize,
    /// Channels of the features: 40 in ConvNeXt-Atto, 96 in Tiny and Small, 128 in Base, 192 in Large.
    pub dim: usize,
    /// Patch `[height, width]` in pixels.
    #[config(default = "[4, 4]")]
    pub patch: [usize; 2],
    /// Added to the variance in the norm.
    #[config(default = 1e-6)]
    pub epsilon: f64,
}

/// ConvNeXt's stem: patches of 4×4, and a LayerNorm over the channels.
///
/// Liu et al., [A ConvNet for the 2020s](https://arxiv.org/abs/2201.03545), section 2.2; `stem` in
/// `timm/models/convnext.py` (`stem_type='patch'`) of timm 1.0.31, whose `stem.0` is `conv` and `stem.1` is
/// `norm`.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - features `[batch, dim, ⌊height/4⌋, ⌊width/4⌋]`
///
/// # Equation
///
/// `LN(Conv2d(x; 4, 4, 0) + b)`, the norm over each place's channels.
///
/// Initialised as the reference: weight `N(0, 0.02)`, bias 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{Backbone, ConvNextStemConfig};
///
/// let device = Device::flex();
/// let stem = ConvNextStemConfig::new(3, 40).init(&device);
/// assert_eq!(stem.forward(Tensor::zeros([1, 3, 32, 50], &device)).dims(), [1, 40, 8, 12]);
/// ```
#[derive(Module, Debug)]
pub struct ConvNextStem {
    /// The patches' projection.
    pub conv: Conv2d,
    /// After it.
    pub norm: LayerNorm,
}

impl ConvNextStemConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, channel count or dim, and [`Error::Range`] for an epsilon that is
    /// not above 0.
    pub fn try_init(&self, device: &Device) -> Result<ConvNextStem, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        check_epsilon(self.epsilon)?;
        let mut conv = Conv2dConfig::new([self.channels, self.dim], self.patch)
            .with_stride(self.patch)
            .with_bias(false)
            .with_initializer(NORMAL)
            .init(device);
        conv.bias = Some(Initializer::Zeros.init([self.dim], device));
        Ok(ConvNextStem {
            conv,
            norm: LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> ConvNextStem {
        self.try_init(device).or_panic()
    }
}

impl Backbone for ConvNextStem {
    fn channels(&self) -> usize {
        self.conv.weight.dims()[1]
    }

    fn dim(&self) -> usize {
        self.conv.weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        Window::patch(self.conv.kernel_size, Remainder::Floor).layout(size)
    }

    fn forward_images(&self, images: Images) -> Tensor<4> {
        let [batch, _, height, width] = images.dims();
        let grid = self.layout([height, width]).or_panic();
        let tokens = self.norm.forward(project(&self.conv, images, None, &grid));
        to_map(tokens, [batch, self.dim(), grid.rows, grid.cols])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn the_convnext_stem_normalises_each_place_over_its_channels() {
        let device = Device::flex();
        let stem = ConvNextStemConfig::new(3, 8)
            .with_epsilon(1e-12)
            .init(&device);
        let images = Tensor::random([2, 3, 9, 8], Distribution::Default, &device);
        let features = stem.forward(images);
        assert_eq!(features.dims(), [2, 8, 2, 2]);
        let (variance, mean) = features.var_mean_bias(1);
        let worst: f32 = ((variance - 1.0).abs() + mean.abs()).max().into_scalar();
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn a_zero_patch_or_epsilon_is_an_error() {
        let device = Device::flex();
        let flat = ConvNextStemConfig::new(3, 8).with_patch([4, 0]);
        assert!(matches!(flat.try_init(&device), Err(Error::Zero { .. })));
        let bare = ConvNextStemConfig::new(3, 8).with_epsilon(0.0);
        assert!(matches!(bare.try_init(&device), Err(Error::Range { .. })));
    }
}
