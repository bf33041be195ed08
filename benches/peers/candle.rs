//! candle-nn's convolution.

use candle_core::{Device, Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Module};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};

use crate::Work;

const INPUTS: usize = 4;

pub(crate) fn bench(group: &mut BenchmarkGroup<'_, WallTime>, work: &Work) {
    try_bench(group, work).unwrap_or_else(|error| panic!("candle: {error}"));
}

fn try_bench(group: &mut BenchmarkGroup<'_, WallTime>, work: &Work) -> Result<()> {
    let random = |shape: &[usize]| Tensor::rand(0f32, 1f32, shape, &Device::Cpu);
    let images = (0..INPUTS)
        .map(|_| random(&work.images))
        .collect::<Result<Vec<_>>>()?;
    let weight = random(&[work.dim, work.images[1], work.kernel, work.kernel])?;
    let config = Conv2dConfig {
        stride: work.stride,
        padding: work.padding,
        ..Conv2dConfig::default()
    };
    let conv = Conv2d::new(weight, Some(random(&[work.dim])?), config);
    let convolve = |images: &Tensor| {
        conv.forward(images)?
            .flatten_from(2)?
            .transpose(1, 2)?
            .contiguous()
    };
    convolve(&images[0])?;
    let mut turn = 0;
    group.bench_function(BenchmarkId::new("conv2d", "candle"), |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % INPUTS;
            convolve(&images[turn])
        });
    });
    Ok(())
}
