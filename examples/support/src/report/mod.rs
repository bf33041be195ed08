//! Pictures, curves and files that a program leaves behind.

mod canvas;
mod curve;
mod curves;
mod files;

pub use canvas::{Canvas, picture};
pub use curve::Curve;
pub use curves::curves;
pub use files::{make_writable, write};
