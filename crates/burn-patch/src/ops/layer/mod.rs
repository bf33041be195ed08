//! The operations of a transformer's layers.

pub(crate) mod attention;
pub(crate) mod composed;

mod gelu;
mod layer_norm;
mod layer_ops;
mod linear;

pub use attention::{
    AttentionGrads, AttentionInputs, AttentionOptions, KeyReach, KeyReachPrimitive, Qkv,
    QkvPrimitive, Span, Spans, TrackedBiases, attention,
};
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use layer_ops::{LayerGrads, LayerOps, NormGrads};
pub use linear::linear;
