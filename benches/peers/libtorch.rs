//! Raw LibTorch through tch: the convolution, and patches reshaped and multiplied where they tile.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use tch::Tensor;

use crate::Work;
use crate::raw_tch::{Raw, random};

/// As many threads as there are cores; LibTorch's own choice counts no hyper-threads.
pub(crate) fn use_all_cores() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(threads as i32);
}

pub(crate) fn forward(group: &mut BenchmarkGroup<'_, WallTime>, work: &Work) {
    let raw = raw(work);
    let mut run = |name: &str, forward: &dyn Fn(&Tensor) -> Tensor| {
        bench(group, &raw, name, &|images| {
            tch::no_grad(|| forward(images))
        });
    };
    run("conv2d, contiguous", &|images| {
        raw.convolve(images).contiguous()
    });
    run("conv2d, transposed view", &|images| raw.convolve(images));
    if raw.tiles() {
        run("linear", &|images| raw.multiply(images));
    }
}

pub(crate) fn backward(group: &mut BenchmarkGroup<'_, WallTime>, work: &Work) {
    let raw = raw(work);
    let grad = random(&raw.convolve(&raw.images[0]).size());
    let mut run = |name: &str, forward: &dyn Fn(&Tensor) -> Tensor| {
        bench(group, &raw, name, &|images| {
            raw.gradients(&forward(images), &grad)
        });
    };
    run("conv2d", &|images| raw.convolve(images));
    if raw.tiles() {
        run("linear", &|images| raw.multiply(images));
    }
}

fn raw(work: &Work) -> Raw {
    Raw::new(
        work.images,
        [work.kernel, work.stride, work.padding],
        work.dim,
    )
}

fn bench<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    raw: &Raw,
    name: &str,
    work: &dyn Fn(&Tensor) -> T,
) {
    let mut images = raw.images.iter().cycle();
    group.bench_function(BenchmarkId::new(name, "libtorch"), |bencher| {
        bencher.iter(|| work(images.next().expect("a cycle")));
    });
}
