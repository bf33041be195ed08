//! How does the linear embedding's time grow with resolution, with overlap, and with the batch?

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;
#[path = "common/pictures.rs"]
mod pictures;

use burn_patch::embed::{LinearPatchEmbedConfig, OverlapPatchEmbedConfig, PatchEmbed};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pictures::pictures;

const PATCH: usize = 16;
const DIM: usize = 192;

fn resolution(criterion: &mut Criterion) {
    let mut group = group(criterion, "resolution, 2×3×side×side, 16×16 → 192");
    for (backend, device) in backends() {
        let embed = LinearPatchEmbedConfig::new([PATCH, PATCH], 3, DIM).init(&device);
        for side in [64, 128, 224, 512, 1024] {
            let tokens = 2 * (side / PATCH) * (side / PATCH);
            group.throughput(Throughput::Elements(tokens as u64));
            let images = pictures([2, 3, side, side], &device);
            group.bench_function(BenchmarkId::new(backend, side), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
            });
        }
    }
    group.finish();
}

fn stride(criterion: &mut Criterion) {
    let mut group = group(criterion, "stride, 2×3×224×224, kernel 16 → 192");
    for (backend, device) in backends() {
        let images = pictures([2, 3, 224, 224], &device);
        for stride in [16, 14, 12, 8, 4] {
            let embed = OverlapPatchEmbedConfig::new([PATCH, PATCH], [stride, stride], 3, DIM)
                .init(&device);
            let tokens = 2 * embed.layout([224, 224]).expect("it fits").tokens();
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(BenchmarkId::new(backend, stride), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
            });
        }
    }
    group.finish();
}

fn batch(criterion: &mut Criterion) {
    let mut group = group(criterion, "batch, batch×3×224×224, 16×16 → 192");
    for (backend, device) in backends() {
        let embed = LinearPatchEmbedConfig::new([PATCH, PATCH], 3, DIM).init(&device);
        for batch in [1, 4, 16, 64] {
            group.throughput(Throughput::Elements(batch as u64));
            let images = pictures([batch, 3, 224, 224], &device);
            group.bench_function(BenchmarkId::new(backend, batch), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, resolution, stride, batch);
criterion_main!(benches);
