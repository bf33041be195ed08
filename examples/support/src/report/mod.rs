//! Pictures, curves and files that a program leaves behind.

mod canvas;
mod curve;
mod curves;
pub(crate) mod files;

pub use canvas::{Canvas, picture, write_png};
pub use curve::Curve;
pub use curves::curves;
pub use files::{make_writable, write};
