//! Configuration of PVT v2.

use serde::{Deserialize, Serialize};

/// Configuration of [`Pvt`](crate::Pvt).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PvtConfig {
    /// Channels of the images.
    pub channels: usize,
    /// Width of each stage.
    pub dims: Vec<usize>,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub heads: Vec<usize>,
    /// Cells along each axis that become one key, by stage.
    pub reductions: Vec<usize>,
    /// Width of the MLPs over that of the tokens, by stage.
    pub mlp_ratios: Vec<usize>,
    /// Stochastic depth of the last block; earlier ones get evenly less, the first none.
    #[serde(default)]
    pub drop_path: f64,
    /// Classes; none: pooled features.
    #[serde(default)]
    pub classes: Option<usize>,
}

impl PvtConfig {
    /// For RGB pictures, with the reductions (8, 4, 2, 1) and MLPs (8, 8, 4, 4) of the published models with four stages.
    pub fn new(dims: [usize; 4], depths: [usize; 4], heads: [usize; 4]) -> Self {
        Self {
            channels: 3,
            dims: dims.to_vec(),
            depths: depths.to_vec(),
            heads: heads.to_vec(),
            reductions: vec![8, 4, 2, 1],
            mlp_ratios: vec![8, 8, 4, 4],
            drop_path: 0.0,
            classes: None,
        }
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
