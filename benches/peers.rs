//! How do the projections compare with other libraries' in the same process?
//!
//! `cargo bench -p burn-patch-bench --bench peers --features tch,candle`. Every side has as many threads as there
//! are cores. On the CPU ours gives contiguous tokens `[batch, tokens, dim]`; a transposed view says so.

#![allow(missing_docs)] // criterion_group! writes a public function.

#[cfg(feature = "candle")]
#[path = "peers/candle.rs"]
mod candle;
mod common;
#[cfg(feature = "tch")]
#[path = "peers/libtorch.rs"]
mod libtorch;

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use burn_patch::embed::{OverlapPatchEmbed, OverlapPatchEmbedConfig, PatchEmbed, PatchNorm};
use common::{backends, group, in_turn, pictures};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

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

fn peers(criterion: &mut Criterion) {
    for work in &WORKS {
        let mut group = group(criterion, work.name);
        for (backend, device) in backends() {
            let images = pictures(work.images, &device);
            let embed = work.embed(&device);
            group.bench_function(BenchmarkId::new("ours", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
            });
            let weight = embed.proj.weight.val();
            let bias = embed.proj.bias.as_ref().map(|bias| bias.val());
            let options = ConvOptions::new([work.stride; 2], [work.padding; 2], [1, 1], 1);
            group.bench_function(BenchmarkId::new("Burn's conv2d", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| {
                    let map = conv2d(images, weight.clone(), bias.clone(), options.clone());
                    to_tokens(map)
                }));
            });
        }
        #[cfg(feature = "tch")]
        libtorch::bench(&mut group, work);
        #[cfg(feature = "candle")]
        candle::bench(&mut group, work);
        group.finish();
    }
}

criterion_group!(benches, peers);
criterion_main!(benches);
