//! What do images of different sizes cost together: packed, padded to the longest, and one by one?
//!
//! Attention of a pack costs as much as its images, `Σ n²` pairs of query and key; a row without segments would cost
//! `(Σ n)²`. The first group shows that in attention alone, the second in a whole ViT.

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;

use burn::tensor::{Device, Distribution, Tensor};
use burn_patch::Noise;
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig};
use burn_patch::ops::{AttentionOptions, Qkv, Reach, attention};
use burn_patch::pack::Packer;
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_vit::{EncoderConfig, HeadConfig, Vit, VitConfig};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const HEADS: usize = 3;
const WIDTH: usize = 64;
/// Tokens of each image.
const LENGTH: usize = 64;

/// One row of more and more images of equal size: with segments its time grows as their number, without as its square.
fn pairs(criterion: &mut Criterion) {
    let question = format!("pack, attention of a row of images of {LENGTH} tokens, {HEADS} heads");
    let mut group = group(criterion, &question);
    for (backend, device) in backends() {
        for images in [1, 4, 16, 64] {
            let tokens = images * LENGTH;
            let draw = || {
                let shape = [1, tokens, 3 * HEADS * WIDTH];
                Tensor::random(shape, Distribution::Default, &device)
            };
            let inputs: Vec<Tensor<3>> = (0..2).map(|_| draw()).collect();
            let packed = Reach::packed(&[vec![LENGTH; images]], tokens, &device);
            for (kind, reach) in [("segments", packed), ("one image", Reach::All)] {
                let options = AttentionOptions::new(HEADS).with_reach(reach);
                let run = |qkv| attention(Qkv::Fused(qkv), options.clone());
                let id = BenchmarkId::new(format!("{backend}, {kind}"), images);
                group.bench_function(id, |bencher| bencher.iter(in_turn(&inputs, &device, run)));
            }
        }
    }
    group.finish();
}

/// A ViT-Ti/16 of four blocks.
fn vit(device: &Device) -> Vit<LinearPatchEmbed> {
    let embed = LinearPatchEmbedConfig::new([16, 16], 3, 192).init(device);
    let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
    VitConfig::new(
        [224, 224],
        EncoderConfig::new(4, HEADS).with_position(position),
    )
    .with_head(HeadConfig::classes(10))
    .init(embed, device)
}

/// From thumbnails to full size: 12 to 256 patches.
fn pictures(device: &Device) -> Vec<Tensor<3>> {
    let sizes = [
        [256, 256],
        [48, 64],
        [96, 64],
        [64, 64],
        [128, 96],
        [64, 80],
        [160, 128],
        [80, 48],
    ];
    let draw = |[height, width]: [usize; 2]| {
        Tensor::random([3, height, width], Distribution::Default, device)
    };
    sizes.map(draw).to_vec()
}

/// A way to run a list of pictures.
type Run<'a> = &'a dyn Fn(Vec<Tensor<3>>) -> Tensor<2>;

fn models(criterion: &mut Criterion) {
    let mut group = group(
        criterion,
        "pack, 8 images of 12 to 256 patches, ViT of 4 blocks",
    );
    for (backend, device) in backends() {
        let vit = vit(&device);
        let inputs = [pictures(&device)];
        let packer = Packer::new(257);
        let packed = |images: Vec<Tensor<3>>| vit.forward_packed(&images, &packer, Noise::None);
        let padded = |images: Vec<Tensor<3>>| vit.forward_padded(&images, Noise::None);
        let alone = |images: Vec<Tensor<3>>| {
            let logits = images
                .into_iter()
                .map(|image| vit.forward(image.unsqueeze_dim(0)));
            Tensor::cat(logits.collect(), 0)
        };
        let run: [(&str, Run<'_>); 3] = [
            ("packed", &packed),
            ("padded", &padded),
            ("one by one", &alone),
        ];
        for (kind, run) in run {
            let id = BenchmarkId::new(backend, kind);
            group.bench_function(id, |bencher| bencher.iter(in_turn(&inputs, &device, run)));
        }
    }
    group.finish();
}

criterion_group!(benches, pairs, models);
criterion_main!(benches);
