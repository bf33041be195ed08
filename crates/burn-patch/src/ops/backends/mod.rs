//! The only folder that names a backend: one file per implementation, and devices by name.

mod device;
mod kernel_log;
mod precision;
mod tuning;

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
pub use kernel_log::{KERNEL_TARGET, log_kernels};
pub use precision::Precision;
pub use tuning::tune_products;
