//! Backbones whose stages halve the grid: Swin and PVT v2, over the pyramid embeddings.

mod pvt;
mod swin;

pub use pvt::{Pvt, PvtBlock, PvtConfig, PvtPreset, PvtStage, SpatialReduction};
pub use swin::{Swin, SwinBlock, SwinConfig, SwinPreset, SwinStage, SwinVersion};
