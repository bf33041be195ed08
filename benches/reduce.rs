//! How much faster is a ViT whose blocks merge tokens?
//!
//! ToMe in every block, `r` tokens each; 0 is the same model without a reducer. Bolya et al. report 1.64 times the
//! throughput for ViT-S/16 at `r = 13` on a V100.

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;
#[path = "common/pictures.rs"]
mod pictures;

use burn::tensor::Device;
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig};
use burn_patch::reduce::{AnyReduceConfig, MergeSchedule, ToMeConfig};
use burn_vit::{EncoderConfig, HeadConfig, ReduceAt, Vit, VitConfig};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pictures::pictures;

const BATCH: usize = 4;
const DEPTH: usize = 12;

/// A ViT/16 of 12 blocks, which merges `r` tokens in each.
fn vit(dim: usize, heads: usize, r: usize, device: &Device) -> Vit<LinearPatchEmbed> {
    let tome = AnyReduceConfig::ToMe(ToMeConfig::new(MergeSchedule::Constant(r)));
    let reducers = match r {
        0 => Vec::new(),
        _ => ReduceAt::every(&tome, DEPTH),
    };
    let embed = LinearPatchEmbedConfig::new([16, 16], 3, dim).init(device);
    let encoder = EncoderConfig::new(DEPTH, heads).with_reducers(reducers);
    VitConfig::new([224, 224], encoder)
        .with_head(HeadConfig::classes(1000))
        .init(embed, device)
}

fn merging(criterion: &mut Criterion) {
    for (model, dim, heads) in [("ViT-Ti/16", 192, 3), ("ViT-S/16", 384, 6)] {
        let question = format!("reduce, ToMe, {model} at 224², batch {BATCH}");
        let mut group = group(criterion, &question);
        group.throughput(Throughput::Elements(BATCH as u64));
        for (backend, device) in backends() {
            let images = pictures([BATCH, 3, 224, 224], &device);
            for r in [0, 8, 13] {
                let vit = vit(dim, heads, r, &device);
                let id = BenchmarkId::new(format!("{backend}, r"), r);
                group.bench_function(id, |bencher| {
                    bencher.iter(in_turn(&images, &device, |images| vit.forward(images)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, merging);
criterion_main!(benches);
