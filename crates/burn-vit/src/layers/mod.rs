//! Parts of the encoder, named as timm names them.

mod attention;
mod block;
mod drop_path;
mod layer_scale;
mod mlp;
mod parameters;

pub use attention::{Attention, AttentionConfig};
pub use block::{Block, BlockConfig};
pub(crate) use burn_patch::layers::apply;
pub use drop_path::{DropPath, DropPathConfig};
pub use layer_scale::{LayerScale, LayerScaleConfig};
pub use mlp::{Mlp, MlpConfig};
pub(crate) use parameters::linear;
