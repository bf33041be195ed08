//! Where tokens lie, told to them or to attention: one file per encoding. Never sees pixels.

mod add;
mod bucketed;
mod catalogue;
mod factorized;
mod learned;
mod none;
mod per_grid;
mod position;
mod sincos;
mod site;

pub use catalogue::*;
pub use position::Position;
pub use sincos::{SinCosDialect, sincos_table};
pub use site::Site;
