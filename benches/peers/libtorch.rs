//! Raw LibTorch through tch: the convolution, and patches reshaped and multiplied where they tile.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use tch::{Device, Kind, Tensor};

use crate::Work;

const INPUTS: usize = 4;

/// As many threads as there are cores; LibTorch's own choice counts no hyper-threads.
pub(crate) fn use_all_cores() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(threads as i32);
}

pub(crate) fn forward(group: &mut BenchmarkGroup<'_, WallTime>, work: &Work) {
    let raw = Raw::new(work);
    let mut run = |name: &str, forward: &dyn Fn(&Tensor) -> Tensor| {
        raw.bench(group, name, &|images| tch::no_grad(|| forward(images)));
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
    let raw = Raw::new(work);
    let grad = random(&raw.convolve(&raw.images[0]).size());
    let mut run = |name: &str, forward: &dyn Fn(&Tensor) -> Tensor| {
        raw.bench(group, name, &|images| {
            let loss = (forward(images) * &grad).sum(Kind::Float);
            Tensor::run_backward(&[loss], &[&raw.weight, &raw.bias], false, false)
        });
    };
    run("conv2d", &|images| raw.convolve(images));
    if raw.tiles() {
        run("linear", &|images| raw.multiply(images));
    }
}

struct Raw {
    images: Vec<Tensor>,
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl Raw {
    fn new(work: &Work) -> Self {
        let [kernel, dim] = [work.kernel, work.dim].map(|side| side as i64);
        let shape = work.images.map(|side| side as i64);
        Self {
            images: (0..INPUTS).map(|_| random(&shape)).collect(),
            weight: random(&[dim, shape[1], kernel, kernel]).set_requires_grad(true),
            bias: random(&[dim]).set_requires_grad(true),
            stride: work.stride as i64,
            padding: work.padding as i64,
        }
    }

    fn tiles(&self) -> bool {
        self.weight.size()[2] == self.stride && self.padding == 0
    }

    fn convolve(&self, images: &Tensor) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        let map = images.conv2d(&self.weight, Some(&self.bias), stride, padding, [1; 2], 1);
        map.flatten(2, 3).transpose(1, 2)
    }

    fn multiply(&self, images: &Tensor) -> Tensor {
        let kernel = self.stride;
        let (batch, channels, height, width) = images.size4().expect("images");
        let (rows, cols) = (height / kernel, width / kernel);
        let matrix = self.weight.flatten(1, 3);
        images
            .reshape([batch, channels, rows, kernel, cols, kernel])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch, rows * cols, -1])
            .linear(&matrix, Some(&self.bias))
    }

    fn bench<T>(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        work: &dyn Fn(&Tensor) -> T,
    ) {
        let mut turn = 0;
        group.bench_function(BenchmarkId::new(name, "libtorch"), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % self.images.len();
                work(&self.images[turn])
            });
        });
    }
}

fn random(shape: &[i64]) -> Tensor {
    Tensor::rand(shape, (Kind::Float, Device::Cpu))
}
