//! Our half of the comparison, and raw LibTorch as a peer: reads `case iterations` lines, answers with the median
//! milliseconds of an iteration. `benches/compare/run.py` drives it, on a GPU `benches/gpu/run.py`.
//!
//! `compare-worker BACKEND [DTYPE [BATCH [tuned|untuned]]]`: the type of all numbers, `f32`, `bf16` or `f16`, the pictures
//! of the cases that name no number, and whether a GPU's kernels of products are measured first.

#![allow(deprecated)] // NdArray is deprecated upstream and first-class here.

#[cfg(feature = "tch")]
mod raw;
#[cfg(feature = "tch")]
#[path = "../common/raw_tch.rs"]
mod raw_tch;

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use burn::backend::{Flex, NdArray};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, FloatDType, Int, Tensor, TensorData};
use burn_patch::embed::{
    LinearPatchEmbedConfig, Normalization, OverlapPatchEmbedConfig, PatchEmbed, PatchNorm,
    QuadtreePatchEmbedConfig, Selection,
};
use burn_patch::grid::Window;
use burn_patch::ops::backends::{device, tune_products};
use burn_patch::ops::{
    Bias, Cells, Fill, FusedAdamWConfig, PatchGrads, PixelOrder, Pixels, byte_tensor, cross_entropy,
};
use burn_vit::{EncoderConfig, HeadConfig, Pooling, PrefixConfig, Vit, VitConfig};
use rand::SeedableRng;
use rand::rngs::StdRng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Inputs taken in turn, so that no side finds its picture in the cache.
const INPUTS: usize = 4;
const BATCH: usize = 8;
const SIDE: usize = 224;
const PATCH: usize = 16;
const DIM: usize = 768;
const OVERLAP_DIM: usize = 64;
const LEARNING_RATE: f64 = 1e-3;

type Step = Box<dyn FnMut()>;

/// Raw LibTorch in place of a backend.
const RAW: &str = "raw-tch";

/// What all cases are run with.
struct Settings {
    backend: String,
    dtype: FloatDType,
    batch: usize,
}

impl Settings {
    fn of_the_command_line() -> Self {
        let mut arguments = std::env::args().skip(1);
        let mut next = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
        let backend = next("flex");
        let dtype = match next("f32").as_str() {
            "f32" => FloatDType::F32,
            "bf16" => FloatDType::BF16,
            "f16" => FloatDType::F16,
            other => panic!("expected f32, bf16 or f16, got {other}"),
        };
        let batch = next(&BATCH.to_string())
            .parse()
            .expect("a number of pictures");
        tune_products(match next("tuned").as_str() {
            "tuned" => true,
            "untuned" => false,
            other => panic!("expected tuned or untuned, got {other}"),
        });
        Self {
            backend,
            dtype,
            batch,
        }
    }

    /// The device, whose tensors are of the type unless they name one.
    fn device(&self) -> Device {
        let mut device = device(&self.backend).unwrap_or_else(|error| panic!("{error}"));
        if self.dtype != FloatDType::F32 {
            let configured = device.configure(self.dtype);
            configured.unwrap_or_else(|error| panic!("{}: {error}", self.backend));
        }
        device
    }
}

fn main() {
    let settings = Settings::of_the_command_line();
    let device = (settings.backend != RAW).then(|| settings.device());
    let mut made: Vec<(String, Vec<Step>)> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let (name, iterations) = line.split_once(' ').expect("case and iterations");
        let iterations: usize = iterations.parse().expect("a number of iterations");
        if made.iter().all(|(known, _)| known != name) {
            let mut steps = steps(name, &settings, device.as_ref());
            for step in &mut steps {
                (0..3).for_each(|_| step());
            }
            made.push((name.to_owned(), steps));
        }
        let (_, steps) = made
            .iter_mut()
            .find(|(known, _)| known == name)
            .expect("made above");
        let medians = steps.iter_mut().map(|step| median(iterations, step));
        let fastest = medians.min_by(f64::total_cmp).expect("at least one step");
        println!("{fastest}");
        std::io::stdout().flush().expect("standard output");
    }
}

/// What computes a case; of several ways the faster counts.
fn steps(name: &str, settings: &Settings, device: Option<&Device>) -> Vec<Step> {
    match device {
        Some(device) => vec![case(name, settings, device)],
        None => {
            #[cfg(feature = "tch")]
            return raw::steps(name);
            #[cfg(not(feature = "tch"))]
            panic!("{RAW} needs the feature tch");
        }
    }
}

fn median(iterations: usize, step: &mut Step) -> f64 {
    let mut times: Vec<f64> = (0..iterations)
        .map(|_| {
            let start = Instant::now();
            step();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn case(name: &str, settings: &Settings, device: &Device) -> Step {
    let tracked = device.clone().autodiff();
    let Settings { backend, batch, .. } = settings;
    let batch = *batch;
    match name {
        "linear-forward" => forward(linear(device), batch, device),
        "linear-gradients" => gradients(backend, [PATCH, PATCH, 0], DIM),
        "linear-sum-backward" => sum_backward(linear(&tracked), batch, &tracked),
        "overlap-forward" => forward(overlap(device), batch, device),
        "overlap-gradients" => gradients(backend, [7, 4, 3], OVERLAP_DIM),
        "overlap-sum-backward" => sum_backward(overlap(&tracked), batch, &tracked),
        "visible-forward" => visible(batch, device),
        "bytes-forward" => bytes(batch, device),
        "train-28-4-64x4" => train(&tracked, [1, 28, 4], [64, 4, 4], 128),
        "train-32-4-192x6" => train(&tracked, [3, 32, 4], [192, 6, 3], 64),
        "train-quadtree" => {
            let embed = quadtree(&tracked);
            train_over(embed, &tracked, [3, 64], [4, 4], 16)
        }
        "train-vit-ti-16" => train(&tracked, [3, 224, 16], [192, 12, 3], 8),
        "train-vit-s-16" => train(&tracked, [3, 224, 16], [384, 12, 6], batch),
        "infer-vit-s-16" => infer(device, batch),
        other => panic!("unknown case {other}"),
    }
}

fn linear(device: &Device) -> impl PatchEmbed + 'static {
    LinearPatchEmbedConfig::new([PATCH, PATCH], 3, DIM).init(device)
}

fn overlap(device: &Device) -> impl PatchEmbed + 'static {
    OverlapPatchEmbedConfig::new([7, 7], [4, 4], 3, OVERLAP_DIM)
        .with_norm(PatchNorm::None)
        .init(device)
}

fn pictures(batch: usize, channels: usize, side: usize, device: &Device) -> Vec<Tensor<4>> {
    (0..INPUTS)
        .map(|_| Tensor::random([batch, channels, side, side], Distribution::Default, device))
        .collect()
}

fn forward(embed: impl PatchEmbed + 'static, batch: usize, device: &Device) -> Step {
    let images = pictures(batch, 3, SIDE, device);
    let device = device.clone();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % INPUTS;
        black_box(embed.forward(images[turn].clone()));
        device.sync().expect("the device finishes");
    })
}

/// The two operations that a training step runs, for tokens' gradients that are given: what the tape calls.
fn gradients(backend: &str, window: [usize; 3], dim: usize) -> Step {
    match backend {
        "flex" => gradients_on::<Flex>(window, dim),
        "ndarray" => gradients_on::<NdArray>(window, dim),
        #[cfg(feature = "tch")]
        "tch" => gradients_on::<burn::backend::LibTorch>(window, dim),
        other => panic!("gradients of a given gradient are measured on the CPU, got {other}"),
    }
}

fn gradients_on<B>([kernel, stride, padding]: [usize; 3], dim: usize) -> Step
where
    B: PatchGrads,
    B::Device: Default,
{
    let device = B::Device::default();
    let grid = Window::symmetric([kernel; 2], [stride; 2], [padding; 2])
        .layout([SIDE, SIDE])
        .expect("it fits");
    let random = |shape: &[usize]| {
        let data = TensorData::random::<f32, _, _>(
            shape.to_vec(),
            Distribution::Default,
            &mut StdRng::seed_from_u64(0),
        );
        B::float_from_data(data, &device)
    };
    let images: Vec<_> = (0..INPUTS)
        .map(|_| random(&[BATCH, 3, SIDE, SIDE]))
        .collect();
    let weight = random(&[dim, 3, kernel, kernel]);
    let bias = random(&[dim]);
    let grad = random(&[BATCH, grid.tokens(), dim]);
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % INPUTS;
        let images = || Pixels::<B>::Floats(images[turn].clone());
        let bias = Bias::Present(bias.clone());
        let projected = B::project_tracked(
            images(),
            weight.clone(),
            bias,
            Fill::Zeros,
            Cells::All,
            grid,
        );
        black_box(projected.output);
        black_box(B::parameter_grads(
            grad.clone(),
            images(),
            projected.kept,
            Fill::Zeros,
            Cells::All,
            grid,
        ));
        B::sync(&device).expect("the device finishes");
    })
}

/// Through the tape. The loss is the sum of the tokens, the cheapest that both sides have.
fn sum_backward(embed: impl PatchEmbed + 'static, batch: usize, device: &Device) -> Step {
    let images = pictures(batch, 3, SIDE, device);
    let device = device.clone();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % INPUTS;
        let tokens = embed.forward(images[turn].clone()).into_embeddings();
        let grads = tokens.sum().backward();
        black_box(GradientsParams::from_grads(grads, &embed));
        device.sync().expect("the device finishes");
    })
}

/// A quarter of the patches, as MAE's encoder sees them.
fn visible(batch: usize, device: &Device) -> Step {
    let embed = linear(device);
    let images = pictures(batch, 3, SIDE, device);
    let cells: Vec<i32> = (0..batch as i32)
        .flat_map(|image| (0..49).map(move |cell| (cell * 4 + image) % 196))
        .collect();
    let cells = Tensor::<2, Int>::from_data(TensorData::new(cells, [batch, 49]), device);
    let device = device.clone();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % INPUTS;
        black_box(embed.forward_visible(images[turn].clone(), cells.clone()));
        device.sync().expect("the device finishes");
    })
}

/// Photographs as a decoder gives them, the normalisation folded into the weights.
fn bytes(batch: usize, device: &Device) -> Step {
    let embed = LinearPatchEmbedConfig::new([PATCH, PATCH], 3, DIM)
        .init(device)
        .fold_normalization(&Normalization::imagenet().for_bytes())
        .expect("three channels");
    let photos: Vec<Tensor<4, Int>> = (0..INPUTS)
        .map(|input| {
            let bytes = (0..batch * SIDE * SIDE * 3).map(|i| ((i + input) * 7919 % 251) as u8);
            byte_tensor(bytes.collect(), [batch, SIDE, SIDE, 3], device)
        })
        .collect();
    let device = device.clone();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % INPUTS;
        black_box(embed.forward_bytes(photos[turn].clone(), PixelOrder::ChannelsLast));
        device.sync().expect("the device finishes");
    })
}

/// Forward, backward and AdamW of a classifier.
fn train(device: &Device, picture: [usize; 3], shape: [usize; 3], batch: usize) -> Step {
    let [channels, side, patch] = picture;
    let [dim, depth, heads] = shape;
    let embed = LinearPatchEmbedConfig::new([patch, patch], channels, dim).init(device);
    train_over(embed, device, [channels, side], [depth, heads], batch)
}

/// The class scores of a ViT-S/16.
fn infer(device: &Device, batch: usize) -> Step {
    let embed = LinearPatchEmbedConfig::new([PATCH, PATCH], 3, 384).init(device);
    let vit = classifier(embed, device, SIDE, [12, 6]);
    let images = pictures(batch, 3, SIDE, device);
    let device = device.clone();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % INPUTS;
        black_box(vit.forward(images[turn].clone()));
        device.sync().expect("the device finishes");
    })
}

fn classifier<E: PatchEmbed + 'static>(
    embed: E,
    device: &Device,
    side: usize,
    [depth, heads]: [usize; 2],
) -> Vit<E> {
    VitConfig::new([side, side], EncoderConfig::new(depth, heads))
        .with_prefix(PrefixConfig::none())
        .with_head(HeadConfig::classes(10).with_pooling(Pooling::Mean))
        .init(embed, device)
}

/// Patches of several sizes, of which each image has its own number: a ragged batch.
fn quadtree(device: &Device) -> impl PatchEmbed + 'static {
    let selection = Selection::Threshold {
        thresholds: vec![0.0826, 0.083],
        capacity: None,
    };
    QuadtreePatchEmbedConfig::new([4, 4], 3, 64)
        .with_levels(3)
        .with_selection(selection)
        .init(device)
}

fn train_over(
    embed: impl PatchEmbed + 'static,
    device: &Device,
    [channels, side]: [usize; 2],
    [depth, heads]: [usize; 2],
    batch: usize,
) -> Step {
    let mut vit = Some(classifier(embed, device, side, [depth, heads]).train());
    let mut optimizer = FusedAdamWConfig::new().with_weight_decay(0.05).init();
    let images = pictures(batch, channels, side, device);
    let labels: Vec<i32> = (0..batch as i32).map(|index| index % 10).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), device);
    let device = device.clone();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % INPUTS;
        let model = vit.take().expect("put back below");
        let logits = model.forward(images[turn].clone());
        let grads = cross_entropy(logits, labels.clone(), 0.0).backward();
        let grads = GradientsParams::from_grads(grads, &model);
        vit = Some(optimizer.step(LEARNING_RATE, model, grads));
        device.sync().expect("the device finishes");
    })
}
