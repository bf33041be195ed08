//! Tokens left out for good: those that the class token or a learned predictor thinks little of.

pub(crate) mod dynamic_vit;
pub(crate) mod evit;
pub(crate) mod keep_predictor;
pub(crate) mod keep_rate;

pub use dynamic_vit::{DynamicVit, DynamicVitConfig};
pub use evit::{EVit, EVitConfig};
pub use keep_predictor::KeepPredictor;
