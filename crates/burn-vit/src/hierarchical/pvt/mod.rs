//! PVT v2.

mod conv_mlp;
mod presets;
mod pvt;
mod pvt_block;
mod pvt_config;
mod pvt_stage;
mod spatial_reduction;
mod timm_names;

pub use conv_mlp::ConvMlp;
pub use presets::PvtPreset;
pub use pvt::Pvt;
pub use pvt_block::PvtBlock;
pub use pvt_config::PvtConfig;
pub use pvt_stage::PvtStage;
pub use spatial_reduction::SpatialReduction;
