//! Reducers in several blocks: what they make of an encoder, and how it leads back.

use burn::tensor::{Device, Distribution, Int, Tensor, Tolerance};
use burn_patch::grid::{Remainder, Window};
use burn_patch::position::{AnyPositionConfig, NoPositionConfig};
use burn_patch::reduce::{
    AnyReduceConfig, DynamicVitConfig, EVitConfig, MergeSchedule, ToMeConfig,
};
use burn_patch::tokens::{Attend, PlaceKind};
use burn_patch::{Noise, Tokens};

use crate::encoder::encoder::{Encoded, Encoder};
use crate::encoder::encoder_config::EncoderConfig;
use crate::encoder::encoder_layout::EncoderInput;
use crate::reduce_at::{ReduceAt, Stage};

const DIM: usize = 8;
const DEPTH: usize = 3;

fn input(prefix: usize) -> EncoderInput {
    let window = Window::patch([1, 1], Remainder::Reject);
    EncoderInput {
        grid: window.layout([2, 4]).unwrap(),
        places: PlaceKind::Cells,
        tokens: 8,
        prefix,
        dim: DIM,
    }
}

fn random(shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

/// Eight tokens behind a class token.
fn tokens(embeddings: Tensor<3>) -> Tokens {
    let class = random([1, 1, DIM], &embeddings.device());
    Tokens::from_grid(embeddings, input(1).grid).with_prefix(class)
}

fn config(reducers: Vec<ReduceAt>) -> EncoderConfig {
    let none = AnyPositionConfig::NoPosition(NoPositionConfig::new());
    EncoderConfig::new(DEPTH, 2)
        .with_layer_scale(Some(0.5))
        .with_position(none)
        .with_reducers(reducers)
}

fn build(reducers: Vec<ReduceAt>, device: &Device) -> Encoder {
    config(reducers)
        .try_init(&input(1), true, device)
        .expect("an encoder")
}

/// The encoder with other reducers, which have no parameters.
fn with_reducers(encoder: &Encoder, reducers: Vec<ReduceAt>) -> Encoder {
    let device = encoder.blocks[0].norm1.gamma.val().device();
    let encoder = encoder.clone().with_reducers(&reducers, &device);
    encoder.expect("reducers that fit")
}

fn tome(schedule: MergeSchedule) -> AnyReduceConfig {
    AnyReduceConfig::ToMe(ToMeConfig::new(schedule))
}

fn run(encoder: &Encoder, tokens: Tokens) -> Encoded {
    encoder.forward(tokens, &[], &mut Noise::None)
}

fn assert_close(left: Tensor<3>, right: Tensor<3>) {
    let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
    left.into_data()
        .assert_approx_eq(&right.into_data(), tolerance);
}

#[test]
fn merging_in_every_block_leads_back_in_one_step() {
    let device = Device::flex();
    let every = ReduceAt::every(&tome(MergeSchedule::Constant(2)), DEPTH);
    let encoder = build(every, &device);
    let layout = encoder.layout(&input(1)).unwrap();
    assert_eq!((layout.attended, layout.tokens), (vec![8, 6, 4], 2));
    let encoded = run(&encoder, tokens(random([2, 8, DIM], &device)));
    let sums = encoded.tokens.sizes().unwrap().sum_dim(1).into_data();
    sums.assert_eq(&[[8.0f32], [8.0]].into(), true);
    let restored = encoded.restore.unwrap().apply(encoded.tokens, None);
    assert_eq!((restored.tokens(), restored.is_whole_grid()), (8, true));
}

#[test]
fn merging_nothing_changes_nothing_with_layer_scale_too() {
    let device = Device::flex();
    let plain = build(Vec::new(), &device);
    let every = ReduceAt::every(&tome(MergeSchedule::Constant(0)), DEPTH);
    let merging = with_reducers(&plain, every);
    let tokens = tokens(random([2, 8, DIM], &device));
    let want = run(&plain, tokens.clone()).tokens.into_embeddings();
    let got = run(&merging, tokens).tokens.into_embeddings();
    got.into_data().assert_eq(&want.into_data(), true);
}

/// What proportional attention is for: two equal tokens as one of size 2.
#[test]
fn equal_tokens_merged_are_as_if_they_were_not() {
    let device = Device::flex();
    let plain = build(Vec::new(), &device);
    let list = MergeSchedule::List(vec![4]);
    let merging = with_reducers(&plain, ReduceAt::every(&tome(list.clone()), DEPTH));
    let pairs = random([2, 4, DIM], &device);
    let pairs = pairs.unsqueeze_dim::<4>(2).expand([2, 4, 2, DIM]);
    let tokens = tokens(pairs.reshape([2, 8, DIM]));
    let want = run(&plain, tokens.clone()).tokens;
    let merged = run(&merging, tokens.clone());
    assert_eq!(merged.tokens.tokens(), 4);
    let restored = merged.restore.unwrap().apply(merged.tokens, None);
    assert_close(restored.embeddings(), want.embeddings());

    let off = AnyReduceConfig::ToMe(ToMeConfig::new(list).with_proportional(false));
    let off = with_reducers(&plain, ReduceAt::every(&off, DEPTH));
    let off = run(&off, tokens);
    let off = off.restore.unwrap().apply(off.tokens, None);
    let apart: f32 = (off.into_embeddings() - want.into_embeddings())
        .abs()
        .max()
        .into_scalar();
    assert!(apart > 1e-3, "{apart}");
}

#[test]
fn pruning_in_two_blocks_gives_scores_of_each() {
    let device = Device::flex();
    let evit = AnyReduceConfig::EVit(EVitConfig::new(0.5));
    let stages = [0, 2].map(Stage::AfterAttention);
    let encoder = build(ReduceAt::each(&evit, stages), &device);
    let encoded = run(&encoder, tokens(random([2, 8, DIM], &device)));
    let shapes: Vec<[usize; 2]> = encoded.scores.iter().map(Tensor::dims).collect();
    assert_eq!(shapes, [[2, 8], [2, 5]]);
    assert_eq!(encoded.tokens.tokens(), 4);
    let sums = encoded.tokens.sizes().unwrap().sum_dim(1).into_data();
    sums.assert_eq(&[[8.0f32], [8.0]].into(), true);
    let restored = encoded.restore.unwrap().apply(encoded.tokens, None);
    assert_eq!(restored.tokens(), 8);
}

#[test]
fn in_training_tokens_that_are_dropped_are_as_if_they_were_not_there() {
    let device = Device::flex();
    let pruning = AnyReduceConfig::DynamicVit(DynamicVitConfig::new(0.5, DIM));
    let encoder = build(ReduceAt::each(&pruning, [Stage::BeforeBlock(1)]), &device);
    assert_eq!(encoder.noise(1, 8).unwrap(), 16);
    let tokens = tokens(random([1, 8, DIM], &device));
    let noise: Vec<f32> = (0..16).map(|i| (i * 7 % 16) as f32 / 16.0).collect();
    let trained = encoder.forward(tokens.clone(), &[], &mut Noise::from(&noise));
    assert_eq!(trained.tokens.tokens(), 8);
    let decisions = trained.scores[0].clone().into_data();
    let decisions = decisions.try_to_vec_as::<f32>().unwrap();
    let kept: Vec<i32> = (0..8)
        .filter(|token| decisions[*token] > 0.5)
        .map(|token| token as i32)
        .collect();
    assert!((1..8).contains(&kept.len()), "{decisions:?}");

    let all = Attend::default();
    let (left, _) = encoder.blocks[0].forward(tokens, &all, None);
    let index = Tensor::<1, Int>::from_ints(kept.as_slice(), &device);
    let left = left.select(index.unsqueeze::<2>());
    let left = encoder.blocks[1..]
        .iter()
        .fold(left, |left, block| block.forward(left, &all, None).0);
    let norm = encoder.norm.as_ref().unwrap();
    let want = norm.forward(left.prefix_embeddings().unwrap());
    assert_close(trained.tokens.prefix_embeddings().unwrap(), want);
}
