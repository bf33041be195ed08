//! Tests of the gated embedding: its tokens, its router and what each is trained by.

use super::*;
use crate::embed::adaptive::gated::config::GatedPatchEmbedConfig;
use crate::embed::linear::{LinearPatchEmbed, LinearPatchEmbedConfig};
use burn::module::{ModuleMapper, Param};
use burn::tensor::{Distribution, Gradients, Tolerance};
use rstest::rstest;

const SIZES: [[usize; 2]; 3] = [[4, 4], [8, 4], [8, 8]];

fn config() -> GatedPatchEmbedConfig {
    GatedPatchEmbedConfig::new([8, 8], SIZES.to_vec(), 3, 6)
}

fn random(size: [usize; 2], device: &Device) -> Tensor<4> {
    Tensor::random([2, 3, size[0], size[1]], Distribution::Default, device)
}

/// Uniform values (splitmix64).
fn noise(count: usize, seed: usize) -> Vec<f32> {
    let value = |i: usize| {
        let mut x = ((i + seed * count) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count).map(value).collect()
}

fn linear(head: &Conv2d) -> LinearPatchEmbed {
    let mut linear = LinearPatchEmbedConfig::new(head.kernel_size, 3, 6).init(&Device::flex());
    linear.proj = head.clone();
    linear
}

/// Each shown token is its head's projection of the patch under its box, and the boxes cover each pixel once.
fn assert_tokens(embed: &GatedPatchEmbed, images: &Tensor<4>, tokens: &Tokens) {
    let [batch, _, height, width] = images.dims();
    let read = |values: Tensor<3>| values.into_data().try_to_vec_as::<f32>().unwrap();
    let all = embed.heads.iter().map(|head| {
        let tokens = linear(head).forward(images.clone());
        (
            head.kernel_size,
            tokens.grid().cols,
            read(tokens.into_embeddings()),
        )
    });
    let all: Vec<_> = all.collect();
    let boxes = read(tokens.boxes_px());
    let embeddings = read(tokens.embeddings());
    let shown = match tokens.valid() {
        Some(valid) => valid.float().into_data().try_to_vec_as::<f32>().unwrap(),
        None => vec![1.0; batch * tokens.tokens()],
    };
    let mut times = vec![0; batch * height * width];
    for (token, px) in boxes.chunks(4).enumerate() {
        let got = &embeddings[token * 6..token * 6 + 6];
        if shown[token] == 0.0 {
            assert_eq!(got, [0.0; 6]);
            continue;
        }
        let image = token / tokens.tokens();
        let patch = [px[2] as usize, px[3] as usize];
        let [row, col] = [px[0] as usize / patch[0], px[1] as usize / patch[1]];
        let (_, cols, want) = all.iter().find(|(size, ..)| *size == patch).unwrap();
        let cell = want.len() / batch / 6 * image + row * cols + col;
        for (got, want) in got.iter().zip(&want[cell * 6..]) {
            assert!((got - want).abs() < 1e-5, "{got}, not {want}");
        }
        for (y, x) in (0..patch[0]).flat_map(|y| (0..patch[1]).map(move |x| (y, x))) {
            let (y, x) = (row * patch[0] + y, col * patch[1] + x);
            times[(image * height + y) * width + x] += 1;
        }
    }
    assert!(times.iter().all(|times| *times == 1));
}

#[test]
fn tokens_are_the_projected_patches_of_the_chosen_sizes() {
    let device = Device::flex();
    let embed = config().with_budget(Some(0.6)).init(&device);
    let images = random([24, 32], &device);
    let tokens = embed.forward(images.clone());
    assert_eq!(tokens.tokens(), embed.tokens([24, 32]).unwrap());
    assert_tokens(&embed, &images, &tokens);
    let cells: f32 = tokens.sizes().unwrap().sum().into_scalar();
    assert_eq!(cells, 2.0 * 48.0);
}

#[test]
fn routed_tokens_are_those_and_zeros() {
    let device = Device::flex();
    let embed = config().init(&device);
    let images = random([24, 32], &device);
    let routing = embed
        .route(images.clone(), None, &noise(2 * 12 * 3, 1), 1.0)
        .unwrap();
    let sizes = routing.choice().sum_dim(0).sum_dim(1).into_data();
    assert!(
        sizes
            .try_to_vec_as::<f32>()
            .unwrap()
            .iter()
            .all(|count| *count > 0.0)
    );
    let routed = embed.forward_routed(images.clone(), &routing);
    assert_eq!(routed.tokens.tokens(), 12 * (4 + 2 + 1));
    assert_tokens(&embed, &images, &routed.tokens);
}

#[test]
fn one_size_is_the_embedding_of_vit() {
    let device = Device::flex();
    let embed = GatedPatchEmbedConfig::new([4, 4], vec![[4, 4]], 3, 6).init(&device);
    let images = random([8, 12], &device);
    let want = linear(&embed.heads[0])
        .forward(images.clone())
        .into_embeddings();
    let routing = embed
        .route(images.clone(), None, &noise(12, 1), 0.3)
        .unwrap();
    let routed = embed.forward_routed(images.clone(), &routing);
    let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
    for tokens in [embed.forward(images), routed.tokens] {
        tokens
            .into_embeddings()
            .into_data()
            .assert_approx_eq(&want.clone().into_data(), tolerance);
    }
}

#[test]
fn shrunk_patches_are_the_means_of_their_blocks() {
    let device = Device::flex();
    let config = config().with_shrink(true).with_budget(Some(0.25));
    let embed = config.init(&device);
    let images = random([20, 24], &device);
    let padded = images.clone().pad((0, 0, 0, 4), PadMode::Constant(0.0));
    let want = linear(&embed.heads[2]).forward(area(padded, [2, 2]));
    let (got, want) = (embed.forward(images), want.into_embeddings());
    assert_eq!(got.tokens(), 9);
    let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
    got.embeddings()
        .into_data()
        .assert_approx_eq(&want.into_data(), tolerance);
}

#[test]
fn regions_beyond_the_border_are_those_of_an_image_padded_by_hand() {
    let device = Device::flex();
    let embed = config().init(&device);
    let images = random([20, 28], &device);
    let padded = images.clone().pad((0, 4, 0, 4), PadMode::Constant(0.0));
    let (got, want) = (embed.forward(images), embed.forward(padded));
    assert_eq!([got.grid().rows, got.grid().cols], [6, 8]);
    let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
    for (got, want) in [
        (got.embeddings(), want.embeddings()),
        (got.boxes_px(), want.boxes_px()),
    ] {
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }
}

#[test]
fn the_smallest_patches_go_where_the_router_wants_them() {
    let device = Device::flex();
    let config = GatedPatchEmbedConfig::new([8, 8], vec![[4, 4], [8, 8]], 1, 6);
    let mut embed = config
        .with_saliency(true)
        .with_budget(Some(0.625))
        .init(&device);
    // The smallest size for regions with a large map: the hidden layer passes the map on.
    embed.router.fc1.weight = Param::from_tensor(Tensor::cat(
        vec![
            Tensor::zeros([2, 32], &device),
            Tensor::ones([1, 32], &device),
        ],
        0,
    ));
    embed.router.fc1.bias = None;
    let want: Tensor<2> = Tensor::from_floats([[1.0, -1.0]], &device);
    embed.router.fc2.weight = Param::from_tensor(want.expand([32, 2]));
    // Bright below: the lower regions, whose patches' centres are at 10 and 14.
    let dark = Tensor::full([1, 1, 8, 16], 0.2, &device);
    let map = Tensor::cat(vec![dark.clone(), dark + 0.5], 2);
    let tokens = embed.forward_with_saliency(Tensor::zeros([1, 1, 16, 16], &device), map);
    let highest = tokens.boxes_px().slice([0..1, 0..8, 0..1]).min();
    assert_eq!(highest.into_scalar::<f32>(), 10.0);
    assert_eq!(tokens.tokens(), 8 + 2);
}

/// A step of gradient descent on the router.
fn descend(mut embed: GatedPatchEmbed, grads: &Gradients, rate: f64) -> GatedPatchEmbed {
    struct Descend<'a>(&'a Gradients, f64);
    impl ModuleMapper for Descend<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                let grad = value.grad(self.0).expect("a gradient").into_data();
                let grad = Tensor::from_data(grad, &value.device());
                (value - grad * self.1).detach().require_grad()
            })
        }
    }
    embed.router = embed.router.map(&mut Descend(grads, rate));
    embed
}

#[rstest]
#[case(0.35)]
#[case(0.8)]
fn expected_tokens_follow_the_budget(#[case] budget: f64) {
    let device = Device::flex().autodiff();
    let mut embed = config().with_budget(Some(budget)).init(&device);
    let images = random([16, 24], &device);
    let uniform = vec![0.5; 2 * 6 * 3];
    let share = |embed: &GatedPatchEmbed| {
        let routing = embed.route(images.clone(), None, &uniform, 1.0).unwrap();
        let routed = embed.forward_routed(images.clone(), &routing);
        let expected: f64 = routed.expected_tokens.mean().into_scalar();
        (expected / 24.0, routed.budget_loss)
    };
    assert!((share(&embed).0 - budget).abs() > 0.02);
    for _ in 0..60 {
        let grads = share(&embed).1.backward();
        embed = descend(embed, &grads, 2.0);
    }
    let reached = share(&embed).0;
    assert!((reached - budget).abs() < 0.01, "{reached}, not {budget}");
}

#[test]
fn a_policy_gradient_finds_the_rewarded_size() {
    let device = Device::flex().autodiff();
    let mut embed = config().init(&device);
    let images = random([16, 24], &device);
    let mut expected = Vec::new();
    for step in 0..40 {
        let routing = embed
            .route(images.clone(), None, &noise(36, step), 1.0)
            .unwrap();
        let routed = embed.forward_routed(images.clone(), &routing);
        expected.push(routed.expected_tokens.clone().mean().into_scalar::<f64>());
        let used = routed
            .tokens
            .valid()
            .unwrap()
            .float()
            .sum_dim(1)
            .squeeze_dim::<1>(1);
        // Six regions in two patches each are the baseline; fewer tokens are the reward.
        let advantage = (used.neg() + 12.0) / 12.0;
        let grads = (routed.log_prob * advantage).mean().neg().backward();
        embed = descend(embed, &grads, 0.2);
    }
    assert!(expected[39] < 0.7 * expected[0], "{expected:?}");
}

#[test]
fn gradients_reach_the_router_and_every_head() {
    let device = Device::flex().autodiff();
    let embed = config().with_budget(Some(0.5)).init(&device);
    // Enough regions for each size to be chosen.
    let images = random([24, 32], &device);
    let routing = embed
        .route(images.clone(), None, &noise(72, 3), 0.8)
        .unwrap();
    let routed = embed.forward_routed(images.clone(), &routing).tokens;
    for tokens in [embed.forward(images), routed] {
        let embeddings = tokens.into_embeddings();
        let factor = embeddings.random_like(Distribution::Default);
        let grads = (embeddings * factor).sum().backward();
        let reached = |grad: Option<f32>| assert!(grad.expect("a gradient") > 0.0);
        for head in &embed.heads {
            reached(
                head.weight
                    .grad(&grads)
                    .map(|grad| grad.abs().sum().into_scalar()),
            );
        }
        for layer in [&embed.router.fc1, &embed.router.fc2] {
            reached(
                layer
                    .weight
                    .grad(&grads)
                    .map(|grad| grad.abs().sum().into_scalar()),
            );
        }
    }
}

#[test]
fn gradients_of_the_heads_are_central_differences_under_a_fixed_routing() {
    let device = Device::flex().autodiff();
    let embed = config().init(&device);
    let images = random([16, 24], &device);
    let routing = embed
        .route(images.clone(), None, &noise(36, 3), 0.8)
        .unwrap();
    let factor = Tensor::<3>::random([2, 6 * 7, 6], Distribution::Default, &device);
    let loss = |embed: &GatedPatchEmbed| {
        let tokens = embed.forward_routed(images.clone(), &routing).tokens;
        (tokens.into_embeddings() * factor.clone()).sum()
    };
    let grads = loss(&embed).backward();
    for (size, head) in embed.heads.iter().enumerate() {
        let along = head
            .weight
            .val()
            .random_like(Distribution::Default)
            .detach();
        let grad = Tensor::from_data(head.weight.grad(&grads).unwrap().into_data(), &device);
        let tape: f64 = (grad * along.clone()).sum().into_scalar();
        // The loss is linear in the weight, so a large step is exact.
        let at = |step: f64| {
            let mut moved = embed.clone();
            let weight = head.weight.val().detach() + along.clone() * step;
            moved.heads[size].weight = Param::from_tensor(weight.detach());
            loss(&moved).into_scalar::<f64>()
        };
        let difference = (at(1.0) - at(-1.0)) / 2.0;
        assert!(
            (tape - difference).abs() <= 1e-4 * difference.abs(),
            "{tape}, {difference}"
        );
    }
}

#[test]
fn fewer_patches_are_projected_for_a_smaller_budget() {
    let tokens = [1.0, 0.75, 0.5, 0.25].map(|budget| {
        let embed = config().with_budget(Some(budget)).init(&Device::flex());
        embed.tokens([64, 64]).unwrap()
    });
    assert_eq!(tokens[0], 256);
    assert_eq!(tokens[3], 64);
    for (tokens, budget) in tokens.into_iter().zip([1.0, 0.75, 0.5, 0.25]) {
        assert!((tokens as f64 / 256.0 - budget).abs() < 0.02, "{tokens}");
    }
}

#[rstest]
#[case::indivisible(
    GatedPatchEmbedConfig::new([8, 8], vec![[4, 3], [8, 8]], 3, 6),
    "region width: expected a dimension divisible by 3, got 8"
)]
#[case::shrink(
    GatedPatchEmbedConfig::new([12, 12], vec![[4, 4], [6, 6]], 3, 6).with_shrink(true),
    "side of a patch to shrink: expected a dimension divisible by 4, got 6"
)]
#[case::order(
    GatedPatchEmbedConfig::new([8, 8], vec![[8, 8], [4, 4]], 3, 6),
    "expected more than 64, got 16"
)]
#[case::none(GatedPatchEmbedConfig::new([8, 8], vec![], 3, 6), "number of patch sizes")]
#[case::small(config().with_budget(Some(0.2)), "expected 0.25 (all patches the largest) to 1")]
#[case::large(config().with_budget(Some(1.5)), "got 1.5")]
#[case::nan(config().with_budget(Some(f64::NAN)), "got NaN")]
#[case::zero(GatedPatchEmbedConfig::new([8, 8], vec![[0, 4]], 3, 6), "patch must be at least 1")]
fn bad_configurations_are_errors(#[case] config: GatedPatchEmbedConfig, #[case] text: &str) {
    let error = format!("{}", config.try_init(&Device::flex()).unwrap_err());
    assert!(error.contains(text), "{error}");
}

#[test]
fn bad_requests_are_errors() {
    let device = Device::flex();
    let embed = config().init(&device);
    let images = random([16, 16], &device);
    let map = Some(Tensor::zeros([2, 1, 16, 16], &device));
    let right = noise(2 * 4 * 3, 0);
    let route = |map, noise: &[f32], temperature| {
        let error = embed
            .route(images.clone(), map, noise, temperature)
            .unwrap_err();
        format!("{error}")
    };
    assert!(route(None, &right, 0.0).contains("temperature: expected more than 0, got 0"));
    assert!(route(None, &right[1..], 1.0).contains("expected [2, 4, 3], got [23]"));
    assert!(route(map, &right, 1.0).contains("expected [2, 0, 16, 16], got [2, 1, 16, 16]"));
}
