//! Configuration of Swin.

use serde::{Deserialize, Serialize};

/// Which Swin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SwinVersion {
    /// A table of relative biases in each block, norms before attention and MLP.
    #[default]
    V1,
    /// Cosine attention with the continuous bias, norms behind attention and MLP.
    V2 {
        /// Windows of the pre-training, by stage, by which offsets are divided; none: the model's own.
        #[serde(default)]
        pretrained_window: Option<[usize; 4]>,
    },
}

/// Configuration of [`Swin`](crate::Swin).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwinConfig {
    /// Height and width of the images, in pixels. Other sizes run as long as no stage is smaller than its windows.
    pub image: [usize; 2],
    /// Channels of the images.
    #[serde(default = "channels")]
    pub channels: usize,
    /// Side of the patches, in pixels.
    #[serde(default = "patch")]
    pub patch: usize,
    /// Width of the first stage; each later one doubles it.
    pub dim: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub heads: Vec<usize>,
    /// Rows and columns of a window, in tokens.
    pub window: [usize; 2],
    /// Which Swin.
    #[serde(default)]
    pub version: SwinVersion,
    /// Width of the MLPs over that of the tokens.
    #[serde(default = "mlp_ratio")]
    pub mlp_ratio: f64,
    /// Stochastic depth of the last block; earlier ones get evenly less, the first none.
    #[serde(default)]
    pub drop_path: f64,
    /// Classes; none: pooled features.
    #[serde(default)]
    pub classes: Option<usize>,
}

fn channels() -> usize {
    3
}

fn patch() -> usize {
    4
}

fn mlp_ratio() -> f64 {
    4.0
}

impl SwinConfig {
    /// Version 1 with windows of 7×7 and patches of 4×4 pixels.
    pub fn new(image: [usize; 2], dim: usize, depths: Vec<usize>, heads: Vec<usize>) -> Self {
        Self {
            image,
            channels: channels(),
            patch: patch(),
            dim,
            depths,
            heads,
            window: [7, 7],
            version: SwinVersion::V1,
            mlp_ratio: mlp_ratio(),
            drop_path: 0.0,
            classes: None,
        }
    }

    /// Sets rows and columns of a window.
    #[must_use]
    pub fn with_window(self, window: [usize; 2]) -> Self {
        Self { window, ..self }
    }

    /// Sets which Swin.
    #[must_use]
    pub fn with_version(self, version: SwinVersion) -> Self {
        Self { version, ..self }
    }

    /// Sets the classes; none: pooled features.
    #[must_use]
    pub fn with_classes(self, classes: Option<usize>) -> Self {
        Self { classes, ..self }
    }

    /// Sets the stochastic depth of the last block.
    #[must_use]
    pub fn with_drop_path(self, drop_path: f64) -> Self {
        Self { drop_path, ..self }
    }
}
