//! Weights from the Hugging Face Hub.

mod address;
#[cfg(feature = "hub")]
mod fetch;
mod local;

pub(crate) use local::local;
