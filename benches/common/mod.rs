//! What every group needs: backends, pictures, settings.

use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor};
use burn_patch::ops::backends::{compiled, device};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};

/// Inputs taken in turn, so that no side finds its picture in the cache.
const INPUTS: usize = 4;

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

/// A group of few, long samples: an iteration takes milliseconds.
pub(crate) fn group<'a>(
    criterion: &'a mut Criterion,
    question: &str,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(question);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    group
}

/// Random pictures of one size.
pub(crate) fn pictures(shape: [usize; 4], device: &Device) -> Vec<Tensor<4>> {
    (0..INPUTS)
        .map(|_| Tensor::random(shape, Distribution::Default, device))
        .collect()
}

/// Calls `work` with the next picture and waits for the device.
pub(crate) fn in_turn<'a, T>(
    images: &'a [Tensor<4>],
    device: &'a Device,
    mut work: impl FnMut(Tensor<4>) -> T + 'a,
) -> impl FnMut() -> T + 'a {
    let mut turn = 0;
    move || {
        turn = (turn + 1) % images.len();
        let out = work(images[turn].clone());
        device.sync().expect("the device finishes");
        out
    }
}
