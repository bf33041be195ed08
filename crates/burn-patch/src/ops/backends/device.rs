//! Devices by backend name.

use burn::tensor::Device;

use super::precision::Precision;
#[cfg(feature = "tch")]
use super::tch;
use crate::Error;

/// A backend's name and the cargo feature that compiles it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendInfo {
    /// What users call it.
    pub name: &'static str,
    /// The cargo feature.
    pub feature: &'static str,
    /// Where it runs, in a few words.
    pub runs_on: &'static str,
    /// Whether this build has it.
    pub compiled: bool,
}

/// Every backend that this crate runs on.
pub const BACKENDS: &[BackendInfo] = &[
    BackendInfo {
        name: "flex",
        feature: "flex",
        runs_on: "CPU, pure Rust",
        compiled: cfg!(feature = "flex"),
    },
    BackendInfo {
        name: "ndarray",
        feature: "ndarray",
        runs_on: "CPU, pure Rust",
        compiled: cfg!(feature = "ndarray"),
    },
    BackendInfo {
        name: "wgpu",
        feature: "wgpu",
        runs_on: "GPU through WebGPU, Vulkan or Metal",
        compiled: cfg!(feature = "wgpu"),
    },
    BackendInfo {
        name: "tch",
        feature: "tch",
        runs_on: "CPU through LibTorch",
        compiled: cfg!(feature = "tch"),
    },
    BackendInfo {
        name: "tch-cuda",
        feature: "tch",
        runs_on: "NVIDIA GPU through LibTorch",
        compiled: cfg!(feature = "tch"),
    },
    BackendInfo {
        name: "cuda",
        feature: "cuda",
        runs_on: "NVIDIA GPU",
        compiled: cfg!(feature = "cuda"),
    },
];

/// The backends in this build.
pub fn compiled() -> impl Iterator<Item = &'static BackendInfo> {
    BACKENDS.iter().filter(|backend| backend.compiled)
}

/// The default device of the backend called `name`. Numbers of 32 bits are multiplied as such
/// ([`Precision::Single`]).
///
/// # Errors
///
/// [`Error::UnknownBackend`], [`Error::BackendNotCompiled`], which names the feature to add, and those of
/// [`device_with`].
///
/// ```
/// use burn_patch::ops::backends::device;
///
/// assert!(device("flex").is_ok());
/// let error = device("tpu").unwrap_err();
/// assert!(error.to_string().contains("expected one of flex, ndarray, wgpu, tch, tch-cuda, cuda"));
/// ```
pub fn device(name: &str) -> Result<Device, Error> {
    device_with(name, Precision::Single)
}

/// The default device of the backend called `name`, with products as precise as asked for.
///
/// # Errors
///
/// Those of [`device`], and [`Error::Precision`] where a backend has no such products, and on `tch-cuda` where another
/// precision was chosen before in this process or `NVIDIA_TF32_OVERRIDE` contradicts it.
///
/// ```
/// use burn_patch::ops::backends::{Precision, device_with};
///
/// assert!(device_with("flex", Precision::Single).is_ok());
/// let error = device_with("flex", Precision::Tf32).unwrap_err();
/// assert_eq!(error.to_string(), "backend 'flex' cannot compute in TF32: only tch-cuda has it");
/// ```
pub fn device_with(name: &str, precision: Precision) -> Result<Device, Error> {
    if precision == Precision::Tf32 && name != "tch-cuda" && is_compiled(name) {
        return Err(Error::Precision {
            name: name.to_string(),
            asked: precision.name(),
            why: "only tch-cuda has it".to_string(),
        });
    }
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => Ok(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "tch")]
        "tch" => Ok(Device::libtorch()),
        #[cfg(feature = "tch")]
        "tch-cuda" => {
            tch::precision::choose(precision)?;
            Ok(Device::libtorch_cuda(0))
        }
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        _ => Err(unavailable(name)),
    }
}

fn is_compiled(name: &str) -> bool {
    compiled().any(|backend| backend.name == name)
}

fn unavailable(name: &str) -> Error {
    match BACKENDS.iter().find(|backend| backend.name == name) {
        Some(backend) => Error::BackendNotCompiled {
            name: name.to_string(),
            feature: backend.feature.to_string(),
            compiled: join(compiled()),
        },
        None => Error::UnknownBackend {
            got: name.to_string(),
            expected: join(BACKENDS.iter()),
        },
    }
}

fn join(backends: impl Iterator<Item = &'static BackendInfo>) -> String {
    backends
        .map(|backend| backend.name)
        .collect::<Vec<_>>()
        .join(", ")
}
