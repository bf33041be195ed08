//! A step of AdamW as one operation.
//!
//! Burn's optimizer composes it of some fifteen operations for each parameter. On a GPU each is a kernel of its own, and
//! for a small model launching them takes longer than the rest of the step. LibTorch and CubeCL have one for all of it; elsewhere
//! the default is composed like Burn's.

#[cfg(feature = "optim")]
mod adamw_moments;
mod adamw_ops;
mod adamw_step;
pub(crate) mod composed;
#[cfg(feature = "optim")]
mod fused_adamw;

#[cfg(feature = "optim")]
pub use adamw_moments::AdamWMoments;
pub use adamw_ops::AdamWOps;
pub use adamw_step::{AdamWSettings, AdamWState, AdamWStep};
#[cfg(feature = "optim")]
pub use fused_adamw::{FusedAdamW, FusedAdamWConfig};
