//! Where tokens lie, told to them or to attention: one file per encoding. Never sees pixels.

mod add;
mod alibi;
mod catalogue;
mod decomposed;
mod learnable_fourier;
mod learned;
mod log_cpb;
mod none;
mod offsets;
mod peg;
mod place;
mod polynomial;
mod position;
mod refusals;
mod relative_bias;
mod sincos;
mod site;

pub use catalogue::*;
pub use log_cpb::log_offsets;
pub use position::Position;
pub use relative_bias::BiasResize;
pub use sincos::{SinCosDialect, sincos_table};
pub use site::Site;
