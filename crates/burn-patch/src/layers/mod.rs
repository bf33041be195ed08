//! Layers whose parameters are named as Burn's, run by this crate's operations.

pub(crate) mod activation;
pub(crate) mod batch_norm;
pub(crate) mod epsilon;
pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod mlp;

pub use activation::Activation;
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use linear::{NORMAL, PYTORCH, XAVIER, apply, linear};
pub use mlp::{Mlp, MlpConfig};
