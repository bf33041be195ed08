//! Swin, versions 1 and 2.

mod presets;
mod swin;
mod swin_block;
mod swin_config;
mod swin_stage;
mod timm_names;
mod windows;

pub use presets::SwinPreset;
pub use swin::Swin;
pub use swin_block::SwinBlock;
pub use swin_config::{SwinConfig, SwinVersion};
pub use swin_stage::SwinStage;
