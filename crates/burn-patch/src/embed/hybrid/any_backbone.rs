//! The provided backbones, to choose from at run time.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::embed::hybrid::backbone::Backbone;
use crate::embed::hybrid::convnext_stem::{ConvNextStem, ConvNextStemConfig};
use crate::embed::hybrid::resnet_v2::{ResNetV2, ResNetV2Config};
use crate::grid::PatchGrid;
use crate::ops::Images;

/// Configuration of a provided backbone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AnyBackboneConfig {
    /// [`ResNetV2`].
    ResNetV2(ResNetV2Config),
    /// [`ConvNextStem`].
    ConvNextStem(ConvNextStemConfig),
}

/// A provided backbone.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{AnyBackboneConfig, Backbone, ConvNextStemConfig};
///
/// let device = Device::flex();
/// let config = AnyBackboneConfig::ConvNextStem(ConvNextStemConfig::new(3, 8));
/// let backbone = config.try_init(&device).unwrap();
/// assert_eq!(backbone.forward(Tensor::zeros([1, 3, 8, 12], &device)).dims(), [1, 8, 2, 3]);
/// ```
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per model; a box would be no Module
pub enum AnyBackbone {
    /// ResNet with group norms.
    ResNetV2(ResNetV2),
    /// ConvNeXt's stem.
    ConvNextStem(ConvNextStem),
}

impl AnyBackboneConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// Those of the backbone.
    pub fn try_init(&self, device: &Device) -> Result<AnyBackbone, Error> {
        match self {
            Self::ResNetV2(config) => config.try_init(device).map(AnyBackbone::ResNetV2),
            Self::ConvNextStem(config) => config.try_init(device).map(AnyBackbone::ConvNextStem),
        }
    }
}

impl Backbone for AnyBackbone {
    fn channels(&self) -> usize {
        match self {
            Self::ResNetV2(backbone) => backbone.channels(),
            Self::ConvNextStem(backbone) => backbone.channels(),
        }
    }

    fn dim(&self) -> usize {
        match self {
            Self::ResNetV2(backbone) => backbone.dim(),
            Self::ConvNextStem(backbone) => backbone.dim(),
        }
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        match self {
            Self::ResNetV2(backbone) => backbone.layout(size),
            Self::ConvNextStem(backbone) => backbone.layout(size),
        }
    }

    fn forward_images(&self, images: Images) -> Tensor<4> {
        match self {
            Self::ResNetV2(backbone) => backbone.forward_images(images),
            Self::ConvNextStem(backbone) => backbone.forward_images(images),
        }
    }
}
