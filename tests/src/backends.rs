//! The devices that a test runs on.

use std::io::Write;
use std::sync::Once;

use burn::tensor::Device;
use burn_patch::ops::backends::{BACKENDS, compiled, device, tune_products};

/// A backend under test.
#[derive(Debug, Clone)]
pub struct BackendDevice {
    /// Its name.
    pub name: &'static str,
    /// Its default device.
    pub device: Device,
}

/// Backends that are tested only when asked for by name, and why.
const ON_REQUEST: &[(&str, &str)] = &[
    (
        "wgpu",
        "needs a Vulkan driver and compiles every kernel anew",
    ),
    ("tch-cuda", "needs an NVIDIA GPU"),
    ("cuda", "needs an NVIDIA GPU"),
];

/// Flex, which this process serves to itself; only when asked for by name.
const SERVED: &str = "remote";

/// The backends named in `BURN_PATCH_BACKENDS` (comma-separated), or else those that are compiled in and run
/// anywhere.
///
/// Says on stderr, once, what is left out and how to ask for it. Products are not tuned: to measure kernels for every
/// small shape would take longer than all tests.
///
/// # Panics
///
/// If a named backend is unknown or not compiled in.
pub fn backends() -> Vec<BackendDevice> {
    tune_products(false);
    let names = match std::env::var("BURN_PATCH_BACKENDS") {
        Ok(asked) => asked.split(',').map(known).collect(),
        Err(_) => on_their_own(),
    };
    names
        .into_iter()
        .map(|name| BackendDevice {
            name,
            device: opened(name),
        })
        .collect()
}

fn opened(name: &str) -> Device {
    match name {
        #[cfg(feature = "remote")]
        SERVED => crate::served::device(),
        name => device(name).unwrap_or_else(|error| panic!("{error}")),
    }
}

fn known(name: &str) -> &'static str {
    if name.trim() == SERVED {
        return SERVED;
    }
    let known = BACKENDS.iter().find(|backend| backend.name == name.trim());
    known
        .unwrap_or_else(|| panic!("BURN_PATCH_BACKENDS: unknown backend '{name}'"))
        .name
}

/// What is compiled in and needs no asking.
fn on_their_own() -> Vec<&'static str> {
    static SAID: Once = Once::new();
    let reason = |name: &str| ON_REQUEST.iter().find(|(other, _)| *other == name);
    let (left, tested): (Vec<&str>, Vec<&str>) = compiled()
        .map(|backend| backend.name)
        .partition(|name| reason(name).is_some());
    SAID.call_once(|| {
        for (name, why) in left.iter().filter_map(|name| reason(name)) {
            // Past the test runner's capture, so that every run shows it.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: {name}, which {why}; to test it, name it: BURN_PATCH_BACKENDS={},{name}",
                tested.join(",")
            );
        }
    });
    tested
}
