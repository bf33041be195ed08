//! Where tokens lie, told to them or to attention: one file per encoding. Never sees pixels.

mod add;
mod catalogue;
mod learned;
mod m_rope;
mod none;
mod place;
mod position;
mod rotary;
mod rotary_axial;
mod rotary_dinov3;
mod rotary_mixed;
mod sincos;
mod sincos_3d;
mod site;

pub use catalogue::*;
pub use m_rope::PairShares;
pub use position::Position;
pub use rotary_axial::{AxialBands, AxisOrder};
pub use rotary_dinov3::{CoordinateNorm, Periods};
pub use sincos::{SinCosDialect, sincos_table};
pub use sincos_3d::SinCos3dDialect;
pub use site::Site;
