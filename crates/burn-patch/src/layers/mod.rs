//! Layers whose parameters are named as Burn's, run by this crate's operations.

pub(crate) mod layer_norm;
pub(crate) mod linear;
pub(crate) mod mlp;

pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use linear::{NORMAL, PYTORCH, XAVIER, apply, linear};
pub use mlp::{Mlp, MlpConfig};
