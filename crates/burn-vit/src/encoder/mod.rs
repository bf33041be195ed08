//! The transformer encoder: configuration, sizes, and running it.

mod count;
mod drop_rate;
mod encoder;
mod encoder_config;
mod encoder_layout;
mod way;
mod windows;

pub use encoder::{Encoded, Encoder};
pub(crate) use encoder_config::EPSILON;
pub use encoder_config::EncoderConfig;
pub use encoder_layout::{EncoderInput, EncoderLayout};
