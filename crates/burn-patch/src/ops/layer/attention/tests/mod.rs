//! Attention against its formula, written with Burn's own tensors.

mod case;
#[cfg(feature = "flex")]
mod composed;
mod differences;
#[cfg(feature = "flex")]
mod empty;
mod formula;
mod nan;
#[cfg(all(feature = "flex", feature = "cpu"))]
mod threads;
