//! Tests of the quadtree embedding: where it splits, and that its patches cover the image.

use super::*;
use crate::embed::linear::LinearPatchEmbedConfig;
use burn::tensor::{Distribution, Tolerance};
use rstest::rstest;

fn random(size: [usize; 2]) -> Tensor<4> {
    let shape = [2, 3, size[0], size[1]];
    Tensor::random(shape, Distribution::Default, &Device::flex())
}

/// How often each pixel lies in a box, per image.
fn covered_times(tokens: &Tokens, [height, width]: [usize; 2]) -> Vec<Vec<usize>> {
    let boxes = tokens
        .boxes_px()
        .into_data()
        .try_to_vec_as::<f32>()
        .unwrap();
    let images = boxes.chunks(4 * tokens.tokens());
    let count = |boxes: &[f32]| {
        let mut times = vec![0; height * width];
        for px in boxes.chunks(4) {
            let [top, left] = [px[0] - px[2] / 2.0, px[1] - px[3] / 2.0];
            for row in 0..px[2] as usize {
                for col in 0..px[3] as usize {
                    times[(top as usize + row) * width + left as usize + col] += 1;
                }
            }
        }
        times
    };
    images.map(count).collect()
}

#[rstest]
#[case::whole([32, 48], 3, Selection::Splits { count: 5 })]
#[case::rim([28, 28], 2, Selection::Share { of_roots: 0.5 })]
#[case::rim_at_two_levels([28, 36], 3, Selection::Splits { count: 7 })]
#[case::smaller_than_two_patches([4, 20], 3, Selection::Share { of_roots: 0.5 })]
#[case::ragged([32, 28], 3, Selection::Threshold { thresholds: vec![0.0826, 0.083], capacity: None })]
#[case::capacity([32, 32], 3, Selection::Threshold { thresholds: vec![0.0, 0.0], capacity: Some(30) })]
fn boxes_tile_the_image_exactly(
    #[case] size: [usize; 2],
    #[case] levels: usize,
    #[case] selection: Selection,
) {
    let embed = QuadtreePatchEmbedConfig::new([4, 4], 3, 8)
        .with_levels(levels)
        .with_saliency(Saliency::Variance)
        .with_selection(selection)
        .init(&Device::flex());
    let tokens = embed.forward(random(size));
    assert_eq!(tokens.tokens(), embed.tokens(size).unwrap());
    let once = vec![vec![1; size[0] * size[1]]; 2];
    assert_eq!(covered_times(&tokens, size), once);
    let cells: f32 = tokens.sizes().unwrap().sum().into_scalar();
    assert_eq!(cells as usize, 2 * size[0] * size[1] / 16);
}

#[test]
fn tokens_are_the_roots_modulo_three() {
    for size in [[64, 64], [48, 80], [36, 28]] {
        for count in 0..5 {
            let embed = QuadtreePatchEmbedConfig::new([4, 4], 1, 4).with_levels(3);
            let tokens = |selection| {
                let embed = embed.clone().with_selection(selection);
                embed.init(&Device::flex()).tokens(size).unwrap()
            };
            let roots = tokens(Selection::Splits { count: 0 });
            assert_eq!(tokens(Selection::Splits { count }), roots + 3 * count);
        }
    }
}

#[test]
fn all_nodes_split_are_the_patches_of_vit() {
    let device = Device::flex();
    let mut linear = LinearPatchEmbedConfig::new([4, 2], 3, 8).init(&device);
    let quadtree = QuadtreePatchEmbedConfig::new([4, 2], 3, 8)
        .with_selection(Selection::Splits { count: 6 })
        .init(&device);
    linear.proj = quadtree.proj.clone();
    let images = random([16, 12]);
    let (got, want) = (quadtree.forward(images.clone()), linear.forward(images));
    let boxes = want.boxes_px().expand([2, 24, 4]);
    let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
    got.boxes_px()
        .into_data()
        .assert_approx_eq(&boxes.into_data(), tolerance);
    let (got, want) = (got.into_embeddings(), want.into_embeddings());
    got.into_data()
        .assert_approx_eq(&want.into_data(), tolerance);
}

#[test]
fn a_large_token_is_the_projection_of_its_mean() {
    let device = Device::flex();
    let quadtree = QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_aggregate(true);
    let quadtree = quadtree
        .with_selection(Selection::Splits { count: 0 })
        .init(&device);
    let mut linear = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
    linear.proj = quadtree.proj.clone();
    let images = random([16, 24]);
    let want = linear
        .forward(area(images.clone(), [2, 2]))
        .into_embeddings();
    let got = quadtree.forward(images).into_embeddings();
    let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
    got.into_data()
        .assert_approx_eq(&want.into_data(), tolerance);
}

#[rstest]
#[case(Saliency::Blur)]
#[case(Saliency::Variance)]
#[case(Saliency::APT)]
fn a_uniform_image_keeps_its_roots(#[case] saliency: Saliency) {
    let embed = QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_levels(3);
    let thresholds = vec![0.01, 0.01];
    let selection = Selection::Threshold {
        thresholds,
        capacity: None,
    };
    let embed = embed.with_saliency(saliency).with_selection(selection);
    let embed = embed.init(&Device::flex());
    let tokens = embed.forward(random([32, 32]).zeros_like() + 0.5);
    let there = tokens.valid().unwrap().float().sum().into_scalar::<f32>();
    assert_eq!(there, 2.0 * 4.0);
    assert_eq!(tokens.tokens(), 64);
    let padding = tokens.embeddings().slice_dim(1, 4..).abs().sum();
    assert_eq!(padding.into_scalar::<f32>(), 0.0);
}

#[rstest]
#[case(Saliency::Blur)]
#[case(Saliency::Variance)]
#[case(Saliency::Entropy { bins: 8, low: 0.0, high: 1.0 })]
fn detail_gets_small_patches(#[case] saliency: Saliency) {
    let device = Device::flex();
    let embed = QuadtreePatchEmbedConfig::new([4, 4], 1, 8).with_levels(3);
    let embed = embed
        .with_saliency(saliency)
        .with_selection(Selection::Splits { count: 2 });
    let embed = embed.init(&device);
    // A checkerboard in the upper left 8 px of the second 16 px root.
    let mut pixels = vec![0.25f32; 32 * 32];
    for (row, col) in (0..8).flat_map(|row| (16..24).map(move |col| (row, col))) {
        pixels[row * 32 + col] = ((row + col) % 2) as f32;
    }
    let data = burn::tensor::TensorData::new(pixels, [1, 1, 32, 32]);
    let tokens = embed.forward(Tensor::from_data(data, &device));
    let boxes = tokens
        .boxes_px()
        .into_data()
        .try_to_vec_as::<f32>()
        .unwrap();
    let small: Vec<&[f32]> = boxes.chunks(4).filter(|px| px[2] == 4.0).collect();
    assert_eq!(small.len(), 4);
    for px in small {
        assert!(px[0] < 8.0 && (16.0..24.0).contains(&px[1]), "{px:?}");
    }
}

#[test]
fn a_given_map_says_where_to_split() {
    let device = Device::flex();
    let embed = QuadtreePatchEmbedConfig::new([4, 4], 3, 8);
    let embed = embed
        .with_selection(Selection::Splits { count: 1 })
        .init(&device);
    let map = Tensor::zeros([2, 1, 16, 16], &device);
    let map = map.slice_assign(
        [0..2, 0..1, 9..10, 3..4],
        Tensor::ones([2, 1, 1, 1], &device),
    );
    let tokens = embed.forward_with_saliency(random([16, 16]), map);
    let first = tokens.boxes_px().slice([0..1, 3..4, 0..2]).into_data();
    first.assert_eq(&[[[10.0f32, 2.0]]].into(), true);
}

#[rstest]
#[case::levels(QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_levels(17), "at most 16")]
#[case::none(QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_levels(0), "levels must be at least 1")]
#[case::patch(QuadtreePatchEmbedConfig::new([0, 4], 3, 8), "patch must be at least 1")]
#[case::share(
    QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_selection(Selection::Share { of_roots: -0.5 }),
    "expected 0 or more, got -0.5"
)]
#[case::thresholds(
    QuadtreePatchEmbedConfig::new([4, 4], 3, 8)
        .with_selection(Selection::Threshold { thresholds: vec![1.0, 2.0], capacity: None }),
    "expected [1], got [2]"
)]
#[case::histogram(
    QuadtreePatchEmbedConfig::new([4, 4], 3, 8)
        .with_saliency(Saliency::Entropy { bins: 4, low: 1.0, high: 1.0 }),
    "more than the low end, 1"
)]
fn bad_configurations_are_errors(#[case] config: QuadtreePatchEmbedConfig, #[case] text: &str) {
    let error = format!("{}", config.try_init(&Device::flex()).unwrap_err());
    assert!(error.contains(text), "{error}");
}

#[rstest]
#[case::splits(Selection::Splits { count: 5 }, [16, 16], "at most the 4 nodes that can be split, got 5")]
#[case::capacity(
    Selection::Threshold { thresholds: vec![1.0], capacity: Some(3) },
    [16, 16],
    "at least the 4 roots, got 3"
)]
#[case::image(Selection::Splits { count: 0 }, [18, 16], "leaves [2, 0] px")]
fn bad_images_are_errors(
    #[case] selection: Selection,
    #[case] size: [usize; 2],
    #[case] text: &str,
) {
    let config = QuadtreePatchEmbedConfig::new([4, 4], 3, 8).with_selection(selection);
    let error = config.init(&Device::flex()).layout(size).unwrap_err();
    let error = format!("{error}");
    assert!(error.contains(text), "{error}");
}

#[rstest]
#[case(QuadtreePreset::Quadformer, [256, 256], 196)]
#[case(QuadtreePreset::Apt, [224, 224], 196)]
fn presets_have_their_numbers_of_tokens(
    #[case] preset: QuadtreePreset,
    #[case] size: [usize; 2],
    #[case] tokens: usize,
) {
    let embed = QuadtreePatchEmbedConfig::preset(preset, 3, 8).init(&Device::flex());
    assert_eq!(embed.tokens(size).unwrap(), tokens);
}
