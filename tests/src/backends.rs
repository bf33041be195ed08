use std::io::Write;

use burn::tensor::Device;
use burn_patch::ops::backends::{BACKENDS, compiled, device};

/// A backend under test.
#[derive(Debug, Clone)]
pub struct BackendDevice {
    /// Its name.
    pub name: &'static str,
    /// Its default device.
    pub device: Device,
}

/// Backends that need an NVIDIA GPU: tested only when asked for by name.
const NVIDIA: [&str; 2] = ["tch-cuda", "cuda"];

/// The compiled backends, or those named in `BURN_PATCH_BACKENDS` (comma-separated).
///
/// Says on stderr what is left out.
///
/// # Panics
///
/// If a named backend is unknown or not compiled in.
pub fn backends() -> Vec<BackendDevice> {
    let asked = std::env::var("BURN_PATCH_BACKENDS").ok();
    let names: Vec<&'static str> = match &asked {
        Some(asked) => asked
            .split(',')
            .map(|name| {
                let known = BACKENDS.iter().find(|backend| backend.name == name.trim());
                known
                    .unwrap_or_else(|| panic!("BURN_PATCH_BACKENDS: unknown backend '{name}'"))
                    .name
            })
            .collect(),
        None => {
            let (left, tested): (Vec<_>, Vec<_>) = compiled()
                .map(|backend| backend.name)
                .partition(|name| NVIDIA.contains(name));
            for name in left {
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: {name} needs an NVIDIA GPU; name it in BURN_PATCH_BACKENDS to test it"
                );
            }
            tested
        }
    };
    names
        .into_iter()
        .map(|name| BackendDevice {
            name,
            device: device(name).unwrap_or_else(|error| panic!("{error}")),
        })
        .collect()
}
