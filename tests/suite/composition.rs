//! Any embedding with any position, prefix and reducers: drawn models keep what each part promises.

use burn::tensor::{Device, Distribution, Tensor};
use burn_patch::Noise;
use burn_patch::embed::{AnyPatchEmbed, AnyPatchEmbedConfig, EMBEDDINGS, PatchEmbed};
use burn_patch::position::{AnyPositionConfig, POSITIONS};
use burn_patch::reduce::{AnyReduceConfig, REDUCERS};
use burn_patch_tests::{backends, largest_difference, tolerance};
use burn_vit::{
    EncoderConfig, Error, HeadConfig, Pooling, PrefixConfig, ReduceAt, Stage, Taps, Vit, VitConfig,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// Models that run, of those drawn.
const MODELS: usize = 200;
/// Draws among which that many must be.
const DRAWS: u64 = 3000;
const SIZE: [usize; 2] = [16, 24];
const DIM: usize = 16;
const DEPTH: usize = 3;

/// A drawn model, and what it is made of.
struct Drawn {
    name: String,
    vit: Vit<AnyPatchEmbed>,
}

fn draw(rng: &mut StdRng, device: &Device) -> (String, Result<Vit<AnyPatchEmbed>, Error>) {
    let embedding = EMBEDDINGS.choose(rng).expect("a list").name;
    let position = POSITIONS.choose(rng).expect("a list").name;
    let stages = (0..DEPTH).flat_map(|at| [Stage::BeforeBlock(at), Stage::AfterAttention(at)]);
    let mut reducers = Vec::new();
    for stage in stages {
        if rng.random_bool(0.25) {
            let name = REDUCERS.choose(rng).expect("a list").name;
            let keep = rng.random_range(2..12);
            let reducer = AnyReduceConfig::for_tokens(name, keep, DIM).expect("a name of the list");
            reducers.push(ReduceAt { reducer, stage });
        }
    }
    let prefix = PrefixConfig::new()
        .with_cls_token(rng.random_bool(0.7))
        .with_registers(rng.random_range(0..3));
    let name = format!("{embedding}, {position}, {reducers:?}, {prefix:?}");
    let embed = AnyPatchEmbedConfig::for_stride(embedding, [4, 4], 3, DIM);
    let embed = embed.expect("a name of the list").init(device);
    let position = AnyPositionConfig::by_name(position).expect("a name of the list");
    let encoder = EncoderConfig::new(DEPTH, 2)
        .with_position(position)
        .with_reducers(reducers);
    let config = VitConfig::new(SIZE, encoder)
        .with_prefix(prefix)
        .with_head(HeadConfig::classes(5).with_pooling(Pooling::Mean));
    (name, config.try_init(embed, device))
}

/// Runs `check` for the models that can be built; what cannot says why.
fn each(check: impl Fn(&Drawn, u64)) {
    let device = backends()[0].device.clone();
    let mut built = 0;
    for seed in 0..DRAWS {
        let (name, vit) = draw(&mut StdRng::seed_from_u64(seed), &device);
        match vit {
            Ok(vit) => {
                check(&Drawn { name, vit }, seed);
                built += 1;
            }
            Err(error) => assert!(!error.to_string().is_empty(), "{name}"),
        }
        if built == MODELS {
            return;
        }
    }
    panic!("expected {MODELS} models of {DRAWS}, got {built}");
}

fn images(count: usize, device: &Device) -> Tensor<4> {
    let [height, width] = SIZE;
    Tensor::random([count, 3, height, width], Distribution::Default, device)
}

fn noise(vit: &Vit<AnyPatchEmbed>, batch: usize, seed: u64) -> Vec<f32> {
    let count = vit.noise(batch, SIZE).expect("a layout that fits");
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| rng.random()).collect()
}

#[test]
fn a_second_image_changes_nothing_of_the_first() {
    each(|Drawn { name, vit }, seed| {
        let device = backends()[0].device.clone();
        let (first, noise) = (images(1, &device), noise(vit, 2, seed));
        let logits = || {
            let both = Tensor::cat(vec![first.clone(), images(1, &device) * 3.0], 0);
            let logits = vit.forward_with(both, Noise::from(&noise));
            logits.slice_dim(0, ..1).into_data()
        };
        let apart = largest_difference(&logits(), &logits()).0;
        assert!(apart <= tolerance::F32, "{name}: {apart:.1e}");
    });
}

#[test]
fn what_comes_out_is_what_the_layout_says_and_leads_back_to_the_patches() {
    each(|Drawn { name, vit }, seed| {
        let device = backends()[0].device.clone();
        let layout = vit.layout(SIZE).expect("a model that was built");
        let noise = noise(vit, 2, seed);
        let taps = Taps {
            blocks: vec![DEPTH - 1],
            normed: true,
            attention: vec![0],
        };
        // Without noise where none is needed: what trains otherwise than it predicts then predicts.
        let drawn = match vit.encoder.reducers.is_empty() {
            true => Noise::None,
            false => Noise::from(&noise),
        };
        let encoded = vit.forward_taps(images(2, &device), taps, drawn);
        let tokens = &encoded.tokens;
        assert_eq!(tokens.prefix(), layout.prefix, "{name}");
        let last = encoded.taps[0].embeddings().into_data();
        last.assert_eq(&tokens.embeddings().into_data(), false);
        let sums: Tensor<4> = encoded.attention[0].clone().sum_dim(3);
        let sums: f32 = (sums.clone() * (sums - 1.0)).abs().max().into_scalar();
        assert!(
            sums < 1e-5,
            "{name}: rows of attention sum to 0 or 1, got {sums:.1e} apart"
        );
        let finite = tokens.embeddings().into_data().try_to_vec_as::<f32>();
        assert!(
            finite.unwrap().iter().all(|value| value.is_finite()),
            "{name}"
        );
        if let Some(restore) = &encoded.restore {
            let owner: i64 = restore.owner().max().into_scalar();
            assert!(owner < tokens.tokens() as i64, "{name}");
            let restored = restore.apply(tokens.clone(), None);
            let patches = vit.patch_embed.tokens(SIZE).expect("a size that fits");
            assert_eq!(restored.tokens(), patches, "{name}");
        }
    });
}
