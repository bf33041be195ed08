//! The devices that a benchmark runs on.

use std::sync::Once;

use burn::tensor::Device;
use burn_patch::ops::backends::{compiled, device};

/// Backends that run only if named in `BURN_PATCH_BACKENDS`: they need a GPU or its driver, which not every
/// machine has, and other packages of the workspace may have compiled them in.
const ON_REQUEST: [&str; 3] = ["wgpu", "tch-cuda", "cuda"];

/// The compiled backends, or those named in `BURN_PATCH_BACKENDS`; says once what is left out.
pub(crate) fn backends() -> Vec<(&'static str, Device)> {
    static SAID: Once = Once::new();
    let asked = std::env::var("BURN_PATCH_BACKENDS").ok();
    let wanted = |name: &str| match &asked {
        Some(asked) => asked.split(',').any(|asked| asked.trim() == name),
        None => !ON_REQUEST.contains(&name),
    };
    let (wanted, left): (Vec<_>, Vec<_>) = compiled()
        .map(|backend| backend.name)
        .partition(|name| wanted(name));
    SAID.call_once(|| {
        for name in left {
            eprintln!("skipped: {name}, name it in BURN_PATCH_BACKENDS");
        }
    });
    let devices = wanted
        .into_iter()
        .map(|name| (name, device(name).expect("a compiled backend")));
    devices.collect()
}
