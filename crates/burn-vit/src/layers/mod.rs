//! Parts of the encoder, named as timm names them.

mod attention;
mod attention_weights;
mod block;
mod drop_path;
mod layer_scale;
mod policy_attention;

pub(crate) use attention::check_heads;
pub use attention::{Attention, AttentionConfig, QkvBias};
pub use block::{Block, BlockConfig, Inner};
pub use drop_path::{DropPath, DropPathConfig};
pub use layer_scale::{LayerScale, LayerScaleConfig};
