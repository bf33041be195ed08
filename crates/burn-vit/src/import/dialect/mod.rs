//! How other libraries name the parts of their models: one table each.

mod clip;
mod dialect;
mod facebook_mae;
mod flax;
mod flax_order;
mod row;
mod siglip;
mod table;
mod timm;
mod timm_eva;
mod timm_naflex;
mod torchvision;
mod transformers_dinov2;
mod transformers_dinov3;
mod transformers_mae;
mod transformers_vit;

pub use dialect::Dialect;
pub(crate) use flax_order::FlaxOrder;
pub(crate) use row::{How, Row, Which};
