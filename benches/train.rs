//! How long does a training step of a small ViT take: forward, backward, AdamW?

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;
#[path = "common/pictures.rs"]
mod pictures;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Int, Tensor, TensorData};
use burn_patch::embed::LinearPatchEmbedConfig;
use burn_vit::{EncoderConfig, HeadConfig, Pooling, PrefixConfig, VitConfig};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pictures::pictures;

const BATCH: usize = 64;

fn step(criterion: &mut Criterion) {
    let mut group = group(
        criterion,
        "train step, ViT 28²/4, dim 64, 4 layers, batch 64",
    );
    for (backend, device) in backends() {
        let device = device.autodiff();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 64).init(&device);
        let mut vit = Some(
            VitConfig::new([28, 28], EncoderConfig::new(4, 4))
                .with_prefix(PrefixConfig::none())
                .with_head(HeadConfig::classes(10).with_pooling(Pooling::Mean))
                .init(embed, &device)
                .train(),
        );
        let mut optimizer = AdamWConfig::new().init();
        let images = pictures([BATCH, 1, 28, 28], &device);
        let labels: Vec<i32> = (0..BATCH as i32).map(|index| index % 10).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [BATCH]), &device);
        let loss = CrossEntropyLossConfig::new().init(&device);
        group.bench_function(BenchmarkId::from_parameter(backend), |bencher| {
            bencher.iter(in_turn(&images, &device, |images| {
                let model = vit.take().expect("put back below");
                let loss = loss.forward(model.forward(images), labels.clone());
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                vit = Some(optimizer.step(1e-3, model, grads));
            }));
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
