//! Gradients against central differences, in double precision.

use burn::tensor::DType;
use burn_patch_tests::{BackendDevice, backends, subjects, tolerance};

/// Backends that say they have `f64` and yet compute part of it in less, and how that shows.
/// Conformance compares their gradients with those that are checked here.
const EXCLUDED: &[(&str, &str)] = &[(
    "wgpu",
    "on software Vulkan, tape and difference of the overlapping embedding were 2.61 and 1.22",
)];

/// Subjects whose gradient is not the derivative of their value, and why.
const STRAIGHT_THROUGH: &[(&str, &str)] = &[
    (
        "reduce::dynamic-vit",
        "a decision is 0 or 1 and has the gradient of its probability",
    ),
    (
        "embed::gated",
        "its gate is 1 and has the gradient of the router's probability",
    ),
    (
        "embed::gated, visible only",
        "its gate is 1 and has the gradient of the router's probability",
    ),
];

#[test]
fn gradients_equal_central_differences() {
    let precise = |backend: &BackendDevice| {
        backend.device.supports_dtype(DType::F64)
            && EXCLUDED.iter().all(|(name, _)| *name != backend.name)
    };
    let backends: Vec<BackendDevice> = backends().into_iter().filter(precise).collect();
    assert!(!backends.is_empty(), "no backend with f64");
    for backend in backends {
        let excluded = |name: &str| STRAIGHT_THROUGH.iter().any(|(other, _)| *other == name);
        for subject in subjects().iter().filter(|subject| !excluded(&subject.name)) {
            let (tape, difference) = subject.directional(&backend.device);
            let apart = (tape - difference).abs() / difference.abs();
            assert!(
                apart <= tolerance::FINITE_DIFFERENCE,
                "{} on {}: tape {tape}, central difference {difference}",
                subject.name,
                backend.name
            );
        }
    }
}
