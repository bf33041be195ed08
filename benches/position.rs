//! What does each position encoding cost, against the block that it stands before or in?
//!
//! An encoder of one block with each of them: what a line takes longer than `none`, which is the block alone, is the
//! encoding's. `learned, resampled` is a table of half as many rows and columns, brought to this grid in each pass.

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;

use burn::tensor::{Device, Distribution, Tensor};
use burn_patch::embed::{FlatOrder, patchify};
use burn_patch::position::{AnyPositionConfig, LearnedPositionConfig, POSITIONS};
use burn_patch::resample::Profile;
use burn_patch::tokens::PlaceKind;
use burn_patch::{Noise, Tokens};
use burn_vit::{Encoder, EncoderConfig, EncoderInput};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const BATCH: usize = 4;
const DIM: usize = 192;
const HEADS: usize = 3;
const SIDE: usize = 14;

/// Tokens of a square grid; 14×14 are those of ViT-Ti/16 at 224 px.
fn tokens(side: usize, device: &Device) -> Tokens {
    let images = Tensor::zeros([BATCH, 1, side, side], device);
    let tokens = patchify(images, [1, 1], FlatOrder::default()).expect("a patch per pixel");
    let shape = [BATCH, side * side, DIM];
    tokens.map(|_| Tensor::random(shape, Distribution::Default, device))
}

/// One block behind an encoding that is built for such tokens.
fn encoder(position: AnyPositionConfig, built_for: &Tokens, device: &Device) -> Encoder {
    let input = EncoderInput {
        grid: *built_for.grid(),
        places: PlaceKind::Cells,
        tokens: built_for.tokens(),
        prefix: 0,
        dim: DIM,
    };
    EncoderConfig::new(1, HEADS)
        .with_position(position)
        .try_init(&input, true, device)
        .expect("every encoding fits a square grid")
}

fn encodings(criterion: &mut Criterion) {
    let question = format!("position, one block, {BATCH}×{SIDE}×{SIDE} tokens of {DIM}");
    let mut group = group(criterion, &question);
    for (backend, device) in backends() {
        let inputs = [tokens(SIDE, &device), tokens(SIDE, &device)];
        let by_name = |name| AnyPositionConfig::by_name(name).expect("of the catalogue");
        let mut encoders: Vec<(&str, Encoder)> = POSITIONS
            .iter()
            .map(|entry| entry.name)
            .map(|name| (name, encoder(by_name(name), &inputs[0], &device)))
            .collect();
        let learned = LearnedPositionConfig::new().with_resample(Some(Profile::Timm));
        let learned = AnyPositionConfig::Learned(learned);
        let resampled = encoder(learned, &tokens(SIDE / 2, &device), &device);
        encoders.push(("learned, resampled", resampled));
        for (name, encoder) in encoders {
            let run = |tokens: Tokens| encoder.forward(tokens, &[], &mut Noise::None);
            let id = BenchmarkId::new(backend, name);
            group.bench_function(id, |bencher| bencher.iter(in_turn(&inputs, &device, run)));
        }
    }
    group.finish();
}

criterion_group!(benches, encodings);
criterion_main!(benches);
