//! What a backend implements for a step of AdamW.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};

use crate::ops::optim::composed;

/// A parameter, what AdamW remembers of its gradients, and a new gradient.
#[derive(ExtensionType, Debug, Clone)]
pub struct AdamWStep<B: Backend> {
    /// The parameter and its moments.
    #[extension_type]
    pub state: AdamWState<B>,
    /// The gradient, in the parameter's shape.
    pub grad: FloatTensor<B>,
}

/// A parameter and what AdamW remembers of its gradients, all of one shape.
#[derive(ExtensionType, Debug, Clone)]
pub struct AdamWState<B: Backend> {
    /// The parameter.
    pub parameter: FloatTensor<B>,
    /// The running mean of gradients.
    pub moment_1: FloatTensor<B>,
    /// The running mean of their squares.
    pub moment_2: FloatTensor<B>,
}

/// The numbers of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWSettings {
    /// The learning rate `η`.
    pub rate: f64,
    /// How much of the mean of gradients stays, `β₁`.
    pub beta_1: f64,
    /// How much of the mean of squares stays, `β₂`.
    pub beta_2: f64,
    /// What keeps the quotient finite, `ε`.
    pub epsilon: f64,
    /// The decay of weights `λ`.
    pub decay: f64,
    /// The step's number `t`, from 1.
    pub step: usize,
}

/// AdamW, with a default for every backend composed of Burn's own operations.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
)]
pub trait AdamWOps: Backend {
    /// `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`, `p ← (1 − ηλ)p − η·m̂/(√v̂ + ε)` with `m̂ = m/(1 − β₁ᵗ)` and
    /// `v̂ = v/(1 − β₂ᵗ)`.
    #[fusion(default)]
    fn adamw_step(
        #[extension_type] step: AdamWStep<Self>,
        settings: AdamWSettings,
    ) -> AdamWState<Self> {
        composed::adamw_step::<Self>(step, settings)
    }
}
