//! Raw LibTorch through tch: the convolution, and patches reshaped and multiplied where they tile.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use tch::{Device, Kind, Tensor};

use crate::Work;

const INPUTS: usize = 4;

pub(crate) fn bench(group: &mut BenchmarkGroup<'_, WallTime>, work: &Work) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(threads as i32);
    let [batch, channels, height, width] = work.images.map(|side| side as i64);
    let (kernel, stride, padding, dim) = (
        work.kernel as i64,
        work.stride as i64,
        work.padding as i64,
        work.dim as i64,
    );
    let random = |shape: &[i64]| Tensor::rand(shape, (Kind::Float, Device::Cpu));
    let images: Vec<Tensor> = (0..INPUTS)
        .map(|_| random(&[batch, channels, height, width]))
        .collect();
    let weight = random(&[dim, channels, kernel, kernel]);
    let bias = random(&[dim]);
    let convolve = |images: &Tensor| {
        images
            .conv2d(&weight, Some(&bias), [stride; 2], [padding; 2], [1; 2], 1)
            .flatten(2, 3)
            .transpose(1, 2)
    };
    let mut run = |name: &str, work: &dyn Fn(&Tensor) -> Tensor| {
        let mut turn = 0;
        group.bench_function(BenchmarkId::new(name, "libtorch"), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % INPUTS;
                tch::no_grad(|| work(&images[turn]))
            });
        });
    };
    run("conv2d, contiguous", &|images| {
        convolve(images).contiguous()
    });
    run("conv2d, transposed view", &|images| convolve(images));
    if kernel == stride && padding == 0 {
        let (rows, cols) = (height / kernel, width / kernel);
        let matrix = weight.reshape([dim, -1]);
        run("linear", &|images| {
            images
                .reshape([batch, channels, rows, kernel, cols, kernel])
                .permute([0, 2, 4, 1, 3, 5])
                .reshape([batch, rows * cols, -1])
                .linear(&matrix, Some(&bias))
        });
    }
}
