//! What does it cost to gather windows and to add them back, without the product?
//!
//! `cargo bench -p burn-patch-bench --bench windows`; more backends with `--features wgpu,tch`.

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;
#[path = "common/pictures.rs"]
mod pictures;

use burn_patch::grid::{PatchGrid, Window};
use burn_patch::ops::{fold_windows, patch_windows};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pictures::pictures;

/// Name, images, kernel, stride and padding.
const WORKS: [(&str, [usize; 4], [usize; 3]); 3] = [
    ("8×3×224×224, 16×16", [8, 3, 224, 224], [16, 16, 0]),
    ("8×3×224×224, 7×7 stride 4", [8, 3, 224, 224], [7, 4, 3]),
    ("8×64×56×56, 3×3 stride 2", [8, 64, 56, 56], [3, 2, 1]),
];

fn grid([_, _, height, width]: [usize; 4], [kernel, stride, padding]: [usize; 3]) -> PatchGrid {
    Window::symmetric([kernel; 2], [stride; 2], [padding; 2])
        .layout([height, width])
        .expect("it fits")
}

fn windows(criterion: &mut Criterion) {
    for (name, shape, window) in WORKS {
        let grid = grid(shape, window);
        let mut group = group(criterion, &format!("windows, {name}"));
        for (backend, device) in backends() {
            let images = pictures(shape, &device);
            group.bench_function(BenchmarkId::new("gather", backend), |bencher| {
                bencher.iter(in_turn(&images, &device, |images| {
                    patch_windows(images, &grid)
                }));
            });
            let windows: Vec<_> = images
                .into_iter()
                .map(|images| patch_windows(images, &grid))
                .collect();
            group.bench_function(BenchmarkId::new("fold", backend), |bencher| {
                bencher.iter(in_turn(&windows, &device, |windows| {
                    fold_windows(windows, &grid)
                }));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, windows);
criterion_main!(benches);
