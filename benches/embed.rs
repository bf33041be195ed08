//! How long does each embedding take, forward, with its gradients, and for the visible patches alone?
//!
//! `cargo bench -p burn-patch-bench`; more backends with `--features wgpu,tch`.

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;
#[path = "common/gradients.rs"]
mod gradients;
#[path = "common/pictures.rs"]
mod pictures;

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use burn_patch::embed::{
    AnyPatchEmbed, AnyPatchEmbedConfig, EMBEDDINGS, LinearPatchEmbedConfig, Normalization,
    OverlapPatchEmbedConfig, PatchEmbed,
};
use burn_patch::ops::{PixelOrder, byte_tensor};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gradients::gradients;
use pictures::pictures;

const IMAGES: [usize; 4] = [8, 3, 224, 224];
const SIZE: [usize; 2] = [224, 224];

fn embedding(name: &str, device: &Device) -> AnyPatchEmbed {
    let config = AnyPatchEmbedConfig::for_stride(name, [16, 16], 3, 768);
    config.expect("a name of the catalogue").init(device)
}

fn forward(criterion: &mut Criterion) {
    let mut group = group(criterion, "embed forward, 8×3×224×224, stride 16 → 768");
    for (backend, device) in backends() {
        let images = pictures(IMAGES, &device);
        for info in EMBEDDINGS {
            let embed = embedding(info.name, &device);
            group.bench_function(BenchmarkId::new(info.name, backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
            });
        }
    }
    group.finish();
}

fn backward(criterion: &mut Criterion) {
    let mut group = group(
        criterion,
        "embed forward and backward, 8×3×224×224, stride 16 → 768",
    );
    for (backend, device) in backends() {
        let device = device.autodiff();
        let images = pictures(IMAGES, &device);
        for info in EMBEDDINGS {
            let embed = embedding(info.name, &device);
            let tokens = embed.tokens(SIZE).expect("it fits");
            let grad = Tensor::random([8, tokens, 768], Distribution::Default, &device);
            group.bench_function(BenchmarkId::new(info.name, backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| {
                    gradients(&embed, embed.forward(images).into_embeddings(), &grad)
                }));
            });
        }
    }
    group.finish();
}

fn overlap(criterion: &mut Criterion) {
    let mut group = group(criterion, "overlap stem, 8×3×224×224, 7×7 stride 4 → 64");
    for (backend, device) in backends() {
        let config = OverlapPatchEmbedConfig::new([7, 7], [4, 4], 3, 64);
        let images = pictures(IMAGES, &device);
        let embed = config.init(&device);
        group.bench_function(BenchmarkId::new("forward", backend), |bencher| {
            bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
        });
        let device = device.autodiff();
        let images = pictures(IMAGES, &device);
        let embed = config.init(&device);
        let grad = Tensor::random([8, 56 * 56, 64], Distribution::Default, &device);
        group.bench_function(
            BenchmarkId::new("forward and backward", backend),
            |bencher| {
                bencher.iter(in_turn(&images, &device, |images| {
                    gradients(&embed, embed.forward(images).into_embeddings(), &grad)
                }));
            },
        );
    }
    group.finish();
}

/// A quarter of the patches, as MAE's encoder sees them, against all.
fn visible(criterion: &mut Criterion) {
    let mut group = group(criterion, "visible patches, 8×3×224×224, 16×16 → 768");
    for (backend, device) in backends() {
        let embed = LinearPatchEmbedConfig::new([16, 16], 3, 768).init(&device);
        let images = pictures(IMAGES, &device);
        let cells: Vec<i32> = (0..8)
            .flat_map(|image| (0..49).map(move |cell| (cell * 4 + image) % 196))
            .collect();
        let cells = Tensor::<2, Int>::from_data(TensorData::new(cells, [8, 49]), &device);
        group.bench_function(BenchmarkId::new("all, 196", backend), |bencher| {
            bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
        });
        group.bench_function(BenchmarkId::new("visible, 49", backend), |bencher| {
            bencher.iter(in_turn(&images, &device, |images| {
                embed.forward_visible(images, cells.clone())
            }));
        });
    }
    group.finish();
}

/// Photographs as a decoder gives them: bytes, channels innermost.
fn bytes(criterion: &mut Criterion) {
    let mut group = group(criterion, "from bytes, 8×224×224×3, 16×16 → 768");
    for (backend, device) in backends() {
        let normalization = Normalization::imagenet();
        let embed = LinearPatchEmbedConfig::new([16, 16], 3, 768).init(&device);
        let folded = embed.clone().fold_normalization(&normalization.for_bytes());
        let folded = folded.expect("three channels");
        let photos: Vec<Tensor<4, Int>> = (0..4)
            .map(|input| {
                let bytes = (0..8 * 224 * 224 * 3_usize).map(|i| ((i + input) * 7919 % 251) as u8);
                byte_tensor(bytes.collect(), [8, 224, 224, 3], &device)
            })
            .collect();
        let along =
            |values: &[f32]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let (mean, std) = (along(&normalization.mean), along(&normalization.std));
        group.bench_function(BenchmarkId::new("bytes embedded", backend), |bencher| {
            bencher.iter(in_turn(&photos, &device, |photo| {
                folded.forward_bytes(photo, PixelOrder::ChannelsLast)
            }));
        });
        group.bench_function(
            BenchmarkId::new("normalised, then embedded", backend),
            |bencher| {
                bencher.iter(in_turn(&photos, &device, |photo| {
                    let photo = photo.float().permute([0, 3, 1, 2]) / 255.0;
                    embed.forward((photo - mean.clone()) / std.clone())
                }));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, forward, backward, overlap, visible, bytes);
criterion_main!(benches);
