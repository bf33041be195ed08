//! How do the projections compare with other libraries' in the same process?
//!
//! `cargo bench -p burn-patch-bench --bench peers --features tch,candle`. Every side gives contiguous
//! tokens `[batch, tokens, dim]` and has as many threads as there are cores.

#![allow(missing_docs)] // criterion_group! writes a public function.

#[cfg(feature = "candle")]
#[path = "peers/candle.rs"]
mod candle;
mod common;
#[cfg(feature = "tch")]
#[path = "peers/libtorch.rs"]
mod libtorch;

use burn_patch::embed::{OverlapPatchEmbedConfig, PatchEmbed, PatchNorm};
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
            let embed = OverlapPatchEmbedConfig::new(
                [work.kernel; 2],
                [work.stride; 2],
                work.images[1],
                work.dim,
            )
            .with_padding(Some([work.padding; 2]))
            .with_norm(PatchNorm::None)
            .init(&device);
            let images = pictures(work.images, &device);
            group.bench_function(BenchmarkId::new("ours", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| embed.forward(images)));
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
