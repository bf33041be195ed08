//! What a `config.json` beside weights says, in transformers' and in timm's hub form.

mod hub;
pub(crate) mod preparation;
pub(crate) mod read;
mod structure;
pub(crate) mod timm;
mod transformers;

pub use hub::HubConfig;
pub use preparation::{Interpolation, Preparation};
