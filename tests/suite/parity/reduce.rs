//! Parity of learned tokens with vit-pytorch and with the published formulas: `golden/reduce.safetensors`.

use burn::tensor::{DType, Device};
use burn_patch::Tokens;
use burn_patch::grid::{Remainder, Window};
use burn_patch::reduce::{
    PatchMergerConfig, QueryPoolConfig, QueryScale, SlotAttentionConfig, SlotInit,
    TokenFuserConfig, TokenLearnerConfig, TokenLearnerV1Config, TokenPool,
};
use burn_patch_tests::{det, det_tensor, fill};

use crate::parity::{assert_golden, golden};

const FILE: &str = "reduce.safetensors";

const SEED: u64 = 1;

const DIM: usize = 16;
const TOKENS: usize = 8;
const SLOTS: usize = 5;

fn places(device: &Device) -> Tokens {
    let grid = Window::patch([1, 1], Remainder::Reject)
        .layout([4, 6])
        .unwrap();
    Tokens::from_grid(det_tensor([2, 24, DIM], 0, device, DType::F32), grid)
}

fn check<M: TokenPool>(name: &str, init: impl Fn(&Device) -> M) {
    golden(FILE, |backend, golden| {
        let reduce = fill(init(&backend.device), SEED);
        let tokens = reduce.forward(places(&backend.device));
        assert_golden(name, tokens.into_embeddings(), golden.take(name));
    });
}

#[test]
fn patch_merger_as_vit_pytorch() {
    check("patch_merger_8", |device| {
        PatchMergerConfig::new(TOKENS, DIM).init(device)
    });
}

#[test]
fn query_pool_as_its_formula() {
    let config = QueryPoolConfig::new(TOKENS, DIM).with_output(Some(24));
    check("query_pool", |device| config.init(device));
    let config = config.with_scale(QueryScale::RootDim);
    check("query_pool_scaled", |device| config.init(device));
}

#[test]
fn token_learners_as_their_formulas() {
    check("token_learner_v11", |device| {
        TokenLearnerConfig::new(TOKENS, DIM).init(device)
    });
    check("token_learner_v1", |device| {
        TokenLearnerV1Config::new(TOKENS, DIM).init(device)
    });
}

#[test]
fn token_fuser_as_its_formula() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let fuser = fill(TokenFuserConfig::new(TOKENS, DIM).init(device), SEED);
        let learned = det_tensor([2, TOKENS, DIM], 21, device, DType::F32);
        let fused = fuser.fuse(learned, places(device).into_embeddings());
        assert_golden("token_fuser", fused, golden.take("token_fuser"));
    });
}

#[test]
fn slot_attention_as_its_formula() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let config = SlotAttentionConfig::new(SLOTS, DIM);
        let attention = fill(config.init(device), SEED);
        let (slots, weights) = attention.forward_with_weights(places(device));
        let names = ["slot_attention_learned", "slot_attention_learned_weights"];
        assert_golden(names[0], slots.into_embeddings(), golden.take(names[0]));
        assert_golden(names[1], weights, golden.take(names[1]));

        let config = config.with_start(SlotInit::Gaussian);
        let attention = fill(config.init(device), SEED);
        let noise = det(2 * SLOTS * DIM, 31);
        let slots = attention.forward_with_noise(places(device), &noise);
        let start = attention.gaussian_start(2, &noise, device).unwrap();
        let (_, weights) = attention.forward_from(places(device), start);
        let names = ["slot_attention_gaussian", "slot_attention_gaussian_weights"];
        assert_golden(names[0], slots.into_embeddings(), golden.take(names[0]));
        assert_golden(names[1], weights, golden.take(names[1]));
    });
}
