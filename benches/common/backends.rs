use burn::tensor::Device;
use burn_patch::ops::backends::{compiled, device};

/// Backends that need an NVIDIA GPU run only if named in `BURN_PATCH_BACKENDS`.
const NVIDIA: [&str; 2] = ["tch-cuda", "cuda"];

/// The compiled backends, or those named in `BURN_PATCH_BACKENDS`; says what is left out.
pub(crate) fn backends() -> Vec<(&'static str, Device)> {
    let asked = std::env::var("BURN_PATCH_BACKENDS").ok();
    let wanted = |name: &str| match &asked {
        Some(asked) => asked.split(',').any(|asked| asked.trim() == name),
        None => !NVIDIA.contains(&name),
    };
    compiled()
        .filter(|backend| {
            let wanted = wanted(backend.name);
            if !wanted {
                eprintln!("skipped: {}, name it in BURN_PATCH_BACKENDS", backend.name);
            }
            wanted
        })
        .map(|backend| {
            (
                backend.name,
                device(backend.name).expect("a compiled backend"),
            )
        })
        .collect()
}
