//! The transformer encoder: configuration, sizes, and running it.

mod count;
mod drop_rate;
mod encoder;
mod encoder_config;
mod encoder_layout;
mod join;
mod reducers;
mod taps;
mod way;
mod windows;

pub(crate) use drop_rate::drop_rate;
pub use encoder::{Encoded, Encoder};
pub(crate) use encoder_config::EPSILON;
pub use encoder_config::EncoderConfig;
pub use encoder_layout::{EncoderInput, EncoderLayout};
pub use taps::Taps;

#[cfg(test)]
mod tests;
