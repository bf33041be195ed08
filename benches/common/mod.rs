//! What every group needs: backends and settings.

mod backends;

use std::time::Duration;

use burn::tensor::Device;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};

pub(crate) use backends::backends;

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

/// Calls `work` with the next picture and waits for the device.
pub(crate) fn in_turn<'a, I: Clone, T>(
    images: &'a [I],
    device: &'a Device,
    mut work: impl FnMut(I) -> T + 'a,
) -> impl FnMut() -> T + 'a {
    let mut turn = 0;
    move || {
        turn = (turn + 1) % images.len();
        let out = work(images[turn].clone());
        device.sync().expect("the device finishes");
        out
    }
}
