//! What does each position encoding cost, against the block that it stands before or in?
//!
//! An encoder of one block with each of them: what a line takes longer than `none`, which is the block alone, is the
//! encoding's.

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;

use burn::tensor::{Device, Distribution, Tensor};
use burn_patch::embed::{FlatOrder, patchify};
use burn_patch::position::{AnyPositionConfig, POSITIONS};
use burn_patch::tokens::PlaceKind;
use burn_patch::{Noise, Tokens};
use burn_vit::{EncoderConfig, EncoderInput};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const BATCH: usize = 4;
const DIM: usize = 192;
const HEADS: usize = 3;
const SIDE: usize = 14;

/// Tokens of a grid of 14×14, as of ViT-Ti/16 at 224 px.
fn tokens(device: &Device) -> Tokens {
    let images = Tensor::zeros([BATCH, 1, SIDE, SIDE], device);
    let tokens = patchify(images, [1, 1], FlatOrder::default()).expect("a patch per pixel");
    let shape = [BATCH, SIDE * SIDE, DIM];
    tokens.map(|_| Tensor::random(shape, Distribution::Default, device))
}

fn encodings(criterion: &mut Criterion) {
    let question = format!("position, one block, {BATCH}×{SIDE}×{SIDE} tokens of {DIM}");
    let mut group = group(criterion, &question);
    for (backend, device) in backends() {
        let inputs = [tokens(&device), tokens(&device)];
        let input = EncoderInput {
            grid: *inputs[0].grid(),
            places: PlaceKind::Cells,
            tokens: SIDE * SIDE,
            prefix: 0,
            dim: DIM,
        };
        for entry in POSITIONS {
            let position = AnyPositionConfig::by_name(entry.name).expect("of the catalogue");
            let encoder = EncoderConfig::new(1, HEADS)
                .with_position(position)
                .try_init(&input, true, &device);
            let encoder = encoder.expect("every encoding fits a square grid");
            let run = |tokens: Tokens| encoder.forward(tokens, &[], &mut Noise::None);
            let id = BenchmarkId::new(backend, entry.name);
            group.bench_function(id, |bencher| bencher.iter(in_turn(&inputs, &device, run)));
        }
    }
    group.finish();
}

criterion_group!(benches, encodings);
criterion_main!(benches);
