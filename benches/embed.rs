//! How long does the linear embedding take, forward, on each backend?
//!
//! `cargo bench -p burn-patch-bench`; more backends with `--features wgpu,tch`.

#![allow(missing_docs)] // criterion_group! writes a public function.

use std::hint::black_box;
use std::time::Duration;

use burn::tensor::{Distribution, Tensor};
use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::ops::backends::{compiled, device};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const BATCH: usize = 8;
const SIDE: usize = 224;
const PATCH: usize = 16;
const DIM: usize = 768;
/// Inputs taken in turn, so that no side finds its picture in the cache.
const INPUTS: usize = 4;

/// Backends that need an NVIDIA GPU run only if named in `BURN_PATCH_BACKENDS`.
const NVIDIA: [&str; 2] = ["tch-cuda", "cuda"];

fn linear_forward(criterion: &mut Criterion) {
    let mut group =
        criterion.benchmark_group("linear embedding, forward, 8×3×224×224, 16×16 → 768");
    group.throughput(Throughput::Elements(BATCH as u64));
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(5));
    let asked = std::env::var("BURN_PATCH_BACKENDS").unwrap_or_default();
    for backend in compiled() {
        if NVIDIA.contains(&backend.name) && !asked.split(',').any(|name| name == backend.name) {
            eprintln!(
                "skipped: {} needs an NVIDIA GPU; name it in BURN_PATCH_BACKENDS",
                backend.name
            );
            continue;
        }
        let device = device(backend.name).expect("a compiled backend");
        let embed = LinearPatchEmbedConfig::new([PATCH, PATCH], 3, DIM).init(&device);
        let images: Vec<Tensor<4>> = (0..INPUTS)
            .map(|_| Tensor::random([BATCH, 3, SIDE, SIDE], Distribution::Default, &device))
            .collect();
        let mut turn = 0;
        group.bench_function(BenchmarkId::from_parameter(backend.name), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % INPUTS;
                let tokens = embed.forward(images[turn].clone());
                device.sync().expect("the device finishes");
                black_box(tokens)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, linear_forward);
criterion_main!(benches);
