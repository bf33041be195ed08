//! How long does attention take, forward and back: plain, with biases, in ragged batches, in packs?
//!
//! Beside it the same of Burn's own operations, which fill what is out of reach with −∞. Between segments padding
//! gives zeros on both sides; in ragged batches Burn's lets it ask, as is usual, and its results are of no use.

#![allow(missing_docs)] // criterion_group! writes a public function.

mod common;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use burn_patch::ops::{AttentionOptions, Qkv, Reach, attention};
use common::{backends, group, in_turn};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const BATCH: usize = 8;
const TOKENS: usize = 197;
const HEADS: usize = 6;
const WIDTH: usize = 32;

/// Tokens of each image that are not padding: three quarters on average.
fn lengths() -> Vec<Vec<usize>> {
    let lengths = (0..BATCH).map(|image| vec![TOKENS - image * TOKENS / 2 / (BATCH - 1)]);
    lengths.collect()
}

fn valid(device: &Device) -> Reach {
    let valid = lengths()
        .into_iter()
        .flat_map(|length| (0..TOKENS).map(move |token| token < length[0]));
    let valid: Vec<bool> = valid.collect();
    let valid = TensorData::new(valid, [BATCH, TOKENS]);
    Reach::Valid(Tensor::from_data(valid, device))
}

/// Four images of equal size in each row of the batch.
fn packed(device: &Device) -> Reach {
    Reach::packed(&vec![vec![TOKENS / 4; 4]; BATCH], TOKENS, device)
}

/// `bias` is added to the scores; all of its axes but the last may be 1.
fn by_burn(qkv: Tensor<3>, reach: &Reach, bias: Option<Tensor<4>>) -> Tensor<3> {
    let [batch, tokens, columns] = qkv.dims();
    let qkv = qkv
        .reshape([batch, tokens, 3, HEADS, WIDTH])
        .permute([2, 0, 3, 1, 4]);
    let part = |part: usize| qkv.clone().slice_dim(0, part..part + 1).squeeze_dim::<4>(0);
    let query = part(0) * (WIDTH as f64).powf(-0.5);
    let mut scores = query.matmul(part(1).transpose());
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    let shape = scores.dims();
    let hidden = match reach {
        Reach::All => None,
        Reach::Valid(valid) => Some(valid.clone().bool_not().reshape([batch, 1, 1, tokens])),
        Reach::Segments { queries, keys, .. } => {
            let all = [batch, tokens, tokens];
            let queries = queries.clone().unsqueeze_dim::<3>(2).expand(all);
            let keys = keys.clone().unsqueeze_dim::<3>(1).expand(all);
            let padding = queries.clone().lower_elem(0);
            let hidden = queries.not_equal(keys).bool_or(padding);
            Some(hidden.unsqueeze_dim::<4>(1))
        }
    };
    let hidden = hidden.map(|hidden| hidden.expand(shape));
    if let Some(hidden) = &hidden {
        scores = scores.mask_fill(hidden.clone(), f32::NEG_INFINITY);
    }
    let mut weights = softmax(scores, 3);
    if let (Reach::Segments { .. }, Some(hidden)) = (reach, hidden) {
        // The rows of padding are NaN here.
        weights = weights.mask_fill(hidden, 0.0);
    }
    let context = weights.matmul(part(2));
    context
        .swap_dims(1, 2)
        .reshape([batch, tokens, columns / 3])
}

/// A bias of the scores, of the keys, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Biased {
    No,
    Scores,
    Keys,
}

fn kinds(criterion: &mut Criterion) {
    let all: fn(&Device) -> Reach = |_| Reach::All;
    for (kind, reach, biased) in [
        ("plain", all, Biased::No),
        ("bias", all, Biased::Scores),
        ("key_bias", all, Biased::Keys),
        ("valid", valid, Biased::No),
        ("packed", packed, Biased::No),
    ] {
        let question =
            format!("attention, {kind}, {BATCH}×{TOKENS} tokens, {HEADS} heads of {WIDTH}");
        let mut group = group(criterion, &question);
        for (backend, device) in backends() {
            let device = device.autodiff();
            let shape = [BATCH, TOKENS, 3 * HEADS * WIDTH];
            let inputs = || Tensor::random(shape, Distribution::Default, &device).require_grad();
            let inputs: Vec<Tensor<3>> = (0..4).map(|_| inputs()).collect();
            let reach = reach(&device);
            let bias: Option<Tensor<4>> = (biased == Biased::Scores).then(|| {
                let shape = [1, HEADS, TOKENS, TOKENS];
                Tensor::random(shape, Distribution::Default, &device).require_grad()
            });
            let key_bias: Option<Tensor<2>> = (biased == Biased::Keys).then(|| {
                Tensor::random([1, TOKENS], Distribution::Default, &device).require_grad()
            });
            let options = AttentionOptions::new(HEADS)
                .with_reach(reach.clone())
                .with_bias(bias.clone())
                .with_key_bias(key_bias.clone());
            let ours = |qkv| attention(Qkv::Fused(qkv), options.clone());
            let burns = |qkv| {
                let key_bias = key_bias.clone();
                let key_bias = key_bias.map(|bias| bias.reshape([1, 1, 1, TOKENS]));
                by_burn(qkv, &reach, bias.clone().or(key_bias))
            };
            let run: [(&str, &dyn Fn(Tensor<3>) -> Tensor<3>); 2] =
                [("ours", &ours), ("burn", &burns)];
            for (side, run) in run {
                let id = BenchmarkId::new(format!("{backend}, forward"), side);
                group.bench_function(id, |bencher| bencher.iter(in_turn(&inputs, &device, run)));
                let id = BenchmarkId::new(format!("{backend}, forward and back"), side);
                group.bench_function(id, |bencher| {
                    bencher.iter(in_turn(&inputs, &device, |qkv| run(qkv).sum().backward()));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, kinds);
criterion_main!(benches);
