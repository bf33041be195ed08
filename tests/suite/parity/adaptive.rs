//! Parity of adaptive patches with an independent implementation: `golden/adaptive.safetensors`.

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_patch::Tokens;
use burn_patch::embed::{
    GatedPatchEmbedConfig, PatchEmbed, QuadtreePatchEmbed, QuadtreePatchEmbedConfig, Saliency,
    Selection,
};
use burn_patch_tests::{BackendDevice, det, det_tensor, fill};

use crate::parity::{assert_golden, golden};

const SEED: u64 = 1;

const FILE: &str = "adaptive.safetensors";

/// Noise whose strength rises to the lower right, in `[0, 256]`: `pictures` of the script.
fn pictures([height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let noise = det(2 * 3 * height * width, 0);
    let pixels = noise.into_iter().enumerate().map(|(index, noise)| {
        let row = (index / width % height) as f64 / height as f64;
        let col = (index % width) as f64 / width as f64;
        let strength = match index / (3 * height * width) {
            0 => (row + col) / 2.0,
            _ => (row - col).abs(),
        };
        (128.0 + 255.0 * f64::from(noise) * strength) as f32
    });
    let pixels: Vec<f32> = pixels.collect();
    Tensor::from_data(TensorData::new(pixels, [2, 3, height, width]), device)
}

fn embed(backend: &BackendDevice, saliency: Saliency, selection: Selection) -> QuadtreePatchEmbed {
    let config = QuadtreePatchEmbedConfig::new([4, 4], 3, 8)
        .with_levels(3)
        .with_saliency(saliency)
        .with_selection(selection);
    fill(config.init(&backend.device), SEED)
}

fn assert_boxes(name: &str, tokens: &Tokens, want: TensorData) {
    let got = tokens
        .boxes_px()
        .into_data()
        .try_to_vec_as::<f32>()
        .unwrap();
    assert_eq!(got, want.try_to_vec_as::<f32>().unwrap(), "{name}");
}

#[test]
fn scores_of_quadtree_nodes() {
    let cases = [
        ("blur_16px", "blur_8px", Saliency::Blur),
        ("entropy_16px", "entropy_8px", Saliency::APT),
        ("variance_16px", "variance_8px", Saliency::Variance),
    ];
    golden(FILE, |backend, golden| {
        let images = pictures([32, 32], &backend.device);
        for (large, small, saliency) in cases {
            let embed = embed(backend, saliency, Selection::Splits { count: 0 });
            let scores = embed.scores(images.clone());
            assert_eq!(scores.len(), 2);
            for (name, scores) in [large, small].into_iter().zip(scores) {
                assert_golden(name, scores, golden.take(name));
            }
        }
    });
}

#[test]
fn splits_as_a_heap() {
    golden(FILE, |backend, golden| {
        let embed_splits = embed(backend, Saliency::Blur, Selection::Splits { count: 6 });
        let tokens = embed_splits.forward(pictures([32, 32], &backend.device));
        assert_boxes("splits", &tokens, golden.take("splits_boxes"));
        assert_golden("tokens", tokens.embeddings(), golden.take("splits_tokens"));

        let embed_rim = embed(backend, Saliency::Variance, Selection::Splits { count: 4 });
        let tokens = embed_rim.forward(pictures([28, 20], &backend.device));
        assert_boxes("rim", &tokens, golden.take("rim_boxes"));
    });
}

#[test]
fn thresholds_of_entropy_as_apt() {
    golden(FILE, |backend, golden| {
        let selection = Selection::Threshold {
            thresholds: vec![5.58, 6.7],
            capacity: None,
        };
        let embed = embed(backend, Saliency::APT, selection);
        let tokens = embed.forward(pictures([32, 32], &backend.device));
        assert_boxes("threshold", &tokens, golden.take("threshold_boxes"));
    });
}

#[test]
fn routing_and_its_probabilities() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let config = GatedPatchEmbedConfig::new([8, 8], vec![[4, 4], [8, 4], [8, 8]], 3, 4);
        let embed = fill(config.with_hidden(5).init(device), SEED);
        let images = det_tensor::<4>([2, 3, 16, 24], 7, device, DType::F32) * 60.0;
        // The script's noise is [batch, sizes, regions].
        let noise = det(2 * 3 * 6, 12);
        let index = (0..36).map(|i| i / 18 * 18 + i % 3 * 6 + i / 3 % 6);
        let noise: Vec<f32> = index.map(|i| noise[i] + 0.5).collect();
        let routing = embed.route(images.clone(), None, &noise, 0.7).unwrap();
        let routed = embed.forward_routed(images, &routing);
        assert_golden(
            "probabilities",
            routing.probabilities(),
            golden.take("routing_probabilities"),
        );
        assert_golden("choice", routing.choice(), golden.take("routing_choice"));
        assert_golden("log_prob", routed.log_prob, golden.take("routing_log_prob"));
        assert_golden("entropy", routed.entropy, golden.take("routing_entropy"));
        assert_golden(
            "expected",
            routed.expected_tokens,
            golden.take("routing_expected_tokens"),
        );
        assert_golden(
            "budget loss",
            routed.budget_loss,
            golden.take("routing_budget_loss"),
        );
    });
}
