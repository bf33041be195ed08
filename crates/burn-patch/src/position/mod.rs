//! Where tokens lie, told to them or to attention: one file per encoding. Never sees pixels.

mod add;
mod alibi;
mod block_windows;
mod bucketed;
mod catalogue;
mod decomposed;
mod factorized;
mod learnable_fourier;
mod learned;
mod log_cpb;
mod m_rope;
mod none;
mod offsets;
mod peg;
mod per_grid;
mod polynomial;
mod position;
mod refusals;
mod relative_bias;
mod rotary;
mod rotary_axial;
mod rotary_dinov3;
mod rotary_mixed;
mod sincos;
mod sincos_3d;
mod site;

pub use block_windows::BlockWindows;
pub use catalogue::*;
pub use log_cpb::log_offsets;
pub use position::Position;
pub use relative_bias::BiasResize;
pub use rotary_axial::{AxialBands, AxisOrder};
pub use rotary_dinov3::{CoordinateNorm, Periods};
pub use sincos::{SinCosDialect, sincos_table};
pub use sincos_3d::SinCos3dDialect;
pub use site::Site;
