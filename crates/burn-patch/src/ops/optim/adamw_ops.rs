//! What a backend implements for a step of AdamW.

use burn::backend::{Backend, backend_extension};

use crate::ops::optim::adamw_step::{AdamWSettings, AdamWState, AdamWStep};
use crate::ops::optim::composed;

/// AdamW, with a default for every backend composed of Burn's own operations.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(feature = "cubecl"),
    Remote: cfg(feature = "remote"),
    Fusion: cfg(feature = "fusion"),
)]
pub trait AdamWOps: Backend {
    /// `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`, `p ← (1 − ηλ)p − η·m̂/(√v̂ + ε)` with `m̂ = m/(1 − β₁ᵗ)` and
    /// `v̂ = v/(1 − β₂ᵗ)`.
    #[fusion(meta = |step, _settings| step.state.clone())]
    fn adamw_step(
        #[extension_type] step: AdamWStep<Self>,
        settings: AdamWSettings,
    ) -> AdamWState<Self> {
        composed::adamw_step::<Self>(step, settings)
    }
}
