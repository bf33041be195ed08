//! The transformer encoder: tests.

use super::*;
use burn::tensor::Device;
use burn_patch::tokens::PlaceKind;

use crate::encoder::encoder_config::EncoderConfig;
use crate::reduce_at::ReduceAt;
use burn::tensor::{Distribution, Tolerance};
use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::position::{AnyPositionConfig, DinoV3RotaryPositionConfig};
use burn_patch::reduce::{AnyReduceConfig, RandomMaskConfig};

fn input() -> EncoderInput {
    let grid = burn_patch::grid::Window::patch([4, 4], Default::default());
    let grid = grid.layout([8, 16]).unwrap();
    EncoderInput {
        grid,
        places: PlaceKind::Cells,
        tokens: 8,
        prefix: 0,
        dim: 8,
    }
}

fn tokens(device: &Device) -> Tokens {
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(device);
    embed.forward(Tensor::random([2, 1, 8, 16], Distribution::Default, device))
}

fn masks(stages: &[Stage]) -> EncoderConfig {
    let mask = AnyReduceConfig::RandomMask(RandomMaskConfig::new(0.5));
    let at = stages.iter().map(|stage| ReduceAt {
        reducer: mask.clone(),
        stage: *stage,
    });
    EncoderConfig::new(3, 2).with_reducers(at.collect())
}

#[test]
fn masks_one_after_another_lead_back_in_one_step() {
    let device = Device::flex();
    let config = masks(&[Stage::BeforeBlock(0), Stage::AfterAttention(2)]);
    let encoder = config.try_init(&input(), false, &device).unwrap();
    let layout = encoder.layout(&input()).unwrap();
    assert_eq!(layout.attended, [4, 4, 4]);
    assert_eq!((layout.tokens, layout.places), (2, PlaceKind::Picked));
    assert_eq!(encoder.noise(2, 8).unwrap(), 24);

    let noise: Vec<f32> = (0..24).map(|i| (i * 7 % 24) as f32).collect();
    let encoded = encoder.forward(tokens(&device), &[1], &mut Noise::from(&noise));
    assert_eq!(encoded.taps[0].tokens(), 4);
    let restored = encoded.restore.unwrap().apply(encoded.tokens, None);
    assert_eq!((restored.tokens(), restored.is_whole_grid()), (8, true));
    let rows = restored.embeddings().abs().sum_dim(2).greater_elem(0.0);
    let kept = rows.int().sum_dim(1).into_data().convert::<i64>();
    kept.assert_eq(&[[[2i64]], [[2]]].into(), true);
}

#[test]
fn a_pool_leads_back_nowhere() {
    let device = Device::flex();
    let pool = AnyReduceConfig::for_tokens("query-pool", 3, 8).unwrap();
    let config = EncoderConfig::new(2, 2).with_reducers(vec![ReduceAt::middle(pool, 2)]);
    let encoder = config.try_init(&input(), true, &device).unwrap();
    let encoded = encoder.forward(tokens(&device), &[], &mut Noise::None);
    assert!(encoded.restore.is_none());
    assert_eq!(encoded.tokens.tokens(), 3);
}

#[test]
fn normed_taps_end_in_the_result_and_weights_of_attention_sum_to_one() {
    let device = Device::flex();
    let encoder = EncoderConfig::new(2, 2)
        .try_init(&input(), true, &device)
        .unwrap();
    let taps = Taps {
        blocks: vec![0, 1],
        normed: true,
        attention: vec![1],
    };
    let encoded = encoder.forward(tokens(&device), taps, &mut Noise::None);
    let last = encoded.taps[1].embeddings().into_data();
    last.assert_eq(&encoded.tokens.embeddings().into_data(), true);
    assert_eq!(
        encoded.taps[0].to_feature_map().unwrap().dims(),
        [2, 8, 2, 4]
    );
    let sums = encoded.attention[0].clone().sum_dim(3);
    let ones = sums.ones_like().into_data();
    sums.into_data()
        .assert_approx_eq(&ones, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
}

#[test]
fn the_last_tap_normalised_is_the_result() {
    let device = Device::flex();
    let encoder = EncoderConfig::new(2, 2)
        .try_init(&input(), true, &device)
        .unwrap();
    let encoded = encoder.forward(tokens(&device), &[1], &mut Noise::None);
    let norm = encoder.norm.as_ref().unwrap();
    let want = norm.forward(encoded.taps[0].embeddings());
    encoded
        .tokens
        .into_embeddings()
        .into_data()
        .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
}

#[test]
fn tokens_dropped_before_rotary_blocks_are_as_if_the_others_were_never_there() {
    let device = Device::flex();
    for name in ["rotary-axial", "rotary-mixed", "rotary-dinov3", "m-rope"] {
        let position = AnyPositionConfig::by_name(name).unwrap();
        let config = masks(&[Stage::BeforeBlock(0)]).with_position(position);
        let input = EncoderInput { dim: 16, ..input() };
        let mut encoder = config.try_init(&input, true, &device).unwrap();
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 16).init(&device);
        let tokens = embed.forward(Tensor::random(
            [2, 1, 8, 16],
            Distribution::Default,
            &device,
        ));
        // The smallest four of each image are kept, in this order.
        let noise = [
            [0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4],
            [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        ];
        let noise = noise.concat();
        let masked = encoder.forward(tokens.clone(), &[], &mut Noise::from(&noise));
        (encoder.reducers, encoder.stages) = (Vec::new(), Vec::new());
        let index = Tensor::from_ints([[1, 3, 5, 7], [0, 1, 2, 3]], &device);
        let picked = encoder.forward(tokens.select(index), &[], &mut Noise::None);
        masked
            .tokens
            .into_embeddings()
            .into_data()
            .assert_approx_eq(
                &picked.tokens.into_embeddings().into_data(),
                Tolerance::<f32>::rel_abs(1e-5, 1e-6),
            );
    }
}

#[test]
fn dinov3_draws_while_training_and_again_where_tokens_changed() {
    let device = Device::flex().autodiff();
    let position = DinoV3RotaryPositionConfig::new()
        .with_jitter(Some(1.5))
        .with_rescale(Some(2.0));
    let config =
        masks(&[Stage::BeforeBlock(1)]).with_position(AnyPositionConfig::DinoV3Rotary(position));
    let encoder = config.try_init(&input(), true, &device).unwrap();
    // Three values before the first block, one per token for the mask, three more behind it.
    assert_eq!(encoder.noise(2, 8).unwrap(), 3 + 16 + 3);
    let run = |encoder: &Encoder, noise: &[f32], device: &Device| {
        let encoded = encoder.forward(tokens(device), &[], &mut Noise::Values(noise));
        encoded.tokens.tokens()
    };
    let noise: Vec<f32> = (0..22).map(|i| (i * 7 % 22) as f32 / 22.0).collect();
    assert_eq!(run(&encoder, &noise, &device), 4);

    let still = encoder.valid();
    assert_eq!(still.noise(2, 8).unwrap(), 16);
    assert_eq!(run(&still, &noise[..16], &Device::flex()), 4);
}
