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

/// Forms of names beside those of [`BACKENDS`]: one of several devices of this machine, and one of another process.
const INDEXED: &str = "cuda:INDEX, tch-cuda:INDEX";
const SERVED: &str = "remote:HOST:PORT";

/// The backends in this build.
pub fn compiled() -> impl Iterator<Item = &'static BackendInfo> {
    BACKENDS.iter().filter(|backend| backend.compiled)
}

/// The device called `name`: a backend's, `cuda:INDEX` or `tch-cuda:INDEX` where a machine has several, or
/// `remote:HOST:PORT` for one that another process serves. Numbers of 32 bits are multiplied as such
/// ([`Precision::Single`]), but that `cuda`, which never ran here, may round them to TF32 by CubeCL's sources.
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

/// The device called `name`, as for [`device`], with products as precise as asked for.
///
/// # Errors
///
/// Those of [`device`], [`Error::Unreachable`] where nobody serves the device, and [`Error::Precision`] where a backend
/// has no such products, and on `tch-cuda` where another precision was chosen before in this process or
/// `NVIDIA_TF32_OVERRIDE` contradicts it.
///
/// ```
/// use burn_patch::ops::backends::{Precision, device_with};
///
/// assert!(device_with("flex", Precision::Single).is_ok());
/// let error = device_with("flex", Precision::Tf32).unwrap_err();
/// assert_eq!(error.to_string(), "backend 'flex' cannot compute in TF32: only tch-cuda has it");
/// ```
pub fn device_with(name: &str, precision: Precision) -> Result<Device, Error> {
    let (backend, place) = match name.split_once(':') {
        Some((backend, place)) => (backend, Some(place)),
        None => (name, None),
    };
    if precision == Precision::Tf32
        && backend != "tch-cuda"
        && (is_compiled(backend) || place.is_some())
    {
        return Err(Error::Precision {
            name: name.to_string(),
            asked: precision.name(),
            why: "only tch-cuda has it".to_string(),
        });
    }
    match (backend, place) {
        ("remote", Some(address)) => served(name, address),
        ("cuda" | "tch-cuda", Some(index)) => match index.parse() {
            Ok(index) => local(backend, index, precision),
            Err(_) => Err(unavailable(name)),
        },
        (_, Some(_)) => Err(unavailable(name)),
        (_, None) => local(backend, 0, precision),
    }
}

/// The device of this machine that is `index` in the list of `backend`'s.
#[cfg_attr(not(feature = "tch"), allow(unused_variables))]
fn local(backend: &str, index: usize, precision: Precision) -> Result<Device, Error> {
    match backend {
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
            Ok(Device::libtorch_cuda(index))
        }
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(index)),
        _ => Err(unavailable(backend)),
    }
}

/// The first device that is served at `address`.
#[cfg(feature = "remote")]
fn served(name: &str, address: &str) -> Result<Device, Error> {
    let port = address
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        return Err(unavailable(name));
    }
    super::remote::connect(address).map_err(|why| Error::Unreachable {
        name: name.to_string(),
        why,
    })
}

#[cfg(not(feature = "remote"))]
fn served(name: &str, _: &str) -> Result<Device, Error> {
    Err(Error::BackendNotCompiled {
        name: name.to_string(),
        feature: "remote".to_string(),
        compiled: join(compiled()),
    })
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
            expected: format!("{}, {INDEXED}, {SERVED}", join(BACKENDS.iter())),
        },
    }
}

fn join(backends: impl Iterator<Item = &'static BackendInfo>) -> String {
    backends
        .map(|backend| backend.name)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_device_has_are_refused_with_the_forms_that_names_take() {
        for name in ["tpu", "flex:1", "flex:", "cuda:one", "remote", ":"] {
            let error = device(name).unwrap_err();
            assert!(
                matches!(error, Error::UnknownBackend { .. }),
                "{name}: {error}"
            );
            assert!(error.to_string().ends_with("remote:HOST:PORT"), "{error}");
        }
    }

    #[cfg(not(feature = "remote"))]
    #[test]
    fn a_served_device_names_the_feature_that_reaches_it() {
        let error = device("remote:localhost:3000").unwrap_err().to_string();
        assert!(error.contains("--features remote"), "{error}");
    }

    #[cfg(feature = "remote")]
    #[test]
    fn an_address_without_a_port_is_no_device() {
        for name in [
            "remote:",
            "remote:localhost",
            "remote:localhost:",
            "remote:localhost:70000",
        ] {
            let error = device(name).unwrap_err();
            assert!(
                matches!(error, Error::UnknownBackend { .. }),
                "{name}: {error}"
            );
        }
    }
}
