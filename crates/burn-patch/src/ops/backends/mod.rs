//! The only folder that names a backend: one file per implementation, and devices by name.

mod device;
mod precision;

#[cfg(feature = "autodiff")]
mod autodiff;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu;
#[cfg(feature = "cubecl")]
mod cubecl;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "fusion")]
mod fusion;
#[cfg(feature = "ndarray")]
mod ndarray;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "tch")]
mod tch;

pub use device::{BACKENDS, BackendInfo, compiled, device, device_with};
pub use precision::Precision;
