//! How do the projections compare with other libraries' in the same process?
//!
//! `cargo bench -p burn-patch-bench --bench peers --features tch,candle`. Every side has as many threads as there
//! are cores. On the CPU ours gives contiguous tokens `[batch, tokens, dim]`; a transposed view says so.
//! The second group of each work also computes the gradients of weight and bias, for a given gradient of the tokens.

#![allow(missing_docs)] // criterion_group! writes a public function.

#[cfg(feature = "candle")]
#[path = "peers/candle.rs"]
mod candle;
mod common;
#[path = "common/gradients.rs"]
mod gradients;
#[cfg(feature = "tch")]
#[path = "peers/libtorch.rs"]
mod libtorch;
#[path = "common/pictures.rs"]
mod pictures;
#[cfg(feature = "tch")]
#[path = "common/raw_tch.rs"]
mod raw_tch;

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};
use burn_patch::embed::{OverlapPatchEmbed, OverlapPatchEmbedConfig, PatchEmbed, PatchNorm};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gradients::gradients;
use pictures::pictures;

/// A projection: what it is, images, kernel, stride, padding and dim.
struct Work {
    name: &'static str,
    images: [usize; 4],
    kernel: usize,
    stride: usize,
    padding: usize,
    dim: usize,
}

impl Work {
    fn embed(&self, device: &Device) -> OverlapPatchEmbed {
        let [_, channels, ..] = self.images;
        OverlapPatchEmbedConfig::new([self.kernel; 2], [self.stride; 2], channels, self.dim)
            .with_padding(Some([self.padding; 2]))
            .with_norm(PatchNorm::None)
            .init(device)
    }

    /// The same projection by Burn's convolution.
    fn convolve(&self, embed: &OverlapPatchEmbed, images: Tensor<4>) -> Tensor<3> {
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], 1);
        let bias = embed.proj.bias.as_ref().map(|bias| bias.val());
        to_tokens(conv2d(images, embed.proj.weight.val(), bias, options))
    }
}

/// `[batch, dim, rows, cols]` → `[batch, rows·cols, dim]`, a view where the backend has views.
fn to_tokens(map: Tensor<4>) -> Tensor<3> {
    let [batch, dim, rows, cols] = map.dims();
    map.reshape([batch, dim, rows * cols]).swap_dims(1, 2)
}

const WORKS: [Work; 4] = [
    Work {
        name: "peers, 8×3×224×224, 16×16 → 768",
        images: [8, 3, 224, 224],
        kernel: 16,
        stride: 16,
        padding: 0,
        dim: 768,
    },
    Work {
        name: "peers, 8×3×224×224, 7×7 stride 4 → 64",
        images: [8, 3, 224, 224],
        kernel: 7,
        stride: 4,
        padding: 3,
        dim: 64,
    },
    Work {
        name: "peers, 8×64×56×56, 3×3 stride 2 → 128",
        images: [8, 64, 56, 56],
        kernel: 3,
        stride: 2,
        padding: 1,
        dim: 128,
    },
    Work {
        name: "peers, 8×96×56×56, 2×2 → 192",
        images: [8, 96, 56, 56],
        kernel: 2,
        stride: 2,
        padding: 0,
        dim: 192,
    },
];

fn forward(criterion: &mut Criterion) {
    #[cfg(feature = "tch")]
    libtorch::use_all_cores();
    for work in &WORKS {
        let mut group = group(criterion, work.name);
        for (backend, device) in backends() {
            let images = pictures(work.images, &device);
            let embed = work.embed(&device);
            group.bench_function(BenchmarkId::new("ours", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
            });
            group.bench_function(BenchmarkId::new("Burn's conv2d", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| {
                    work.convolve(&embed, images)
                }));
            });
        }
        #[cfg(feature = "tch")]
        libtorch::forward(&mut group, work);
        #[cfg(feature = "candle")]
        candle::bench(&mut group, work);
        group.finish();
    }
}

fn backward(criterion: &mut Criterion) {
    #[cfg(feature = "tch")]
    libtorch::use_all_cores();
    for work in &WORKS {
        let mut group = group(criterion, &format!("{}, with gradients", work.name));
        for (backend, device) in backends() {
            let device = device.autodiff();
            let images = pictures(work.images, &device);
            let embed = work.embed(&device);
            let grad = embed.forward(images[0].clone()).into_embeddings();
            let grad = Tensor::random(grad.dims(), Distribution::Default, &device);
            group.bench_function(BenchmarkId::new("ours", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| {
                    gradients(&embed, embed.forward(images).into_embeddings(), &grad)
                }));
            });
            group.bench_function(BenchmarkId::new("Burn's conv2d", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| {
                    gradients(&embed, work.convolve(&embed, images), &grad)
                }));
            });
        }
        #[cfg(feature = "tch")]
        libtorch::backward(&mut group, work);
        group.finish();
    }
}

criterion_group!(benches, forward, backward);
criterion_main!(benches);
