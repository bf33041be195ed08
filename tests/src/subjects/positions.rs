//! Every position encoding, for tokens on the grid and off it, before attention and in it.

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{DType, Device, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::layers::{apply, linear};
use burn_patch::ops::{AttentionOptions, Qkv, attention};
use burn_patch::position::{
    AnyPosition, AnyPositionConfig, LearnedPositionConfig, POSITIONS, Position, Site,
};
use burn_patch::resample::Profile;
use burn_patch::tokens::{PlaceKind, Places};
use burn_patch::{Noise, Tokens};

use super::{CHANNELS, DIM, SIZE, STRIDE, images};
use crate::backends::backends;
use crate::det::{det, det_tensor};
use crate::subject::Subject;

/// Blocks, since some encodings differ between them or are added behind the first.
const DEPTH: usize = 2;
/// Heads, since some encodings differ between them.
const HEADS: usize = 2;

pub(super) fn subjects() -> Vec<Subject> {
    let named = POSITIONS.iter().map(|entry| {
        let config = AnyPositionConfig::by_name(entry.name).expect("a name of the catalogue");
        (format!("position::{}", entry.name), config)
    });
    let resampled = PROFILES.iter().map(|&(name, profile)| {
        let name = format!("position::learned, resampled as {name}");
        (name, resampled(profile))
    });
    let all: Vec<(String, AnyPositionConfig)> = named.chain(resampled).collect();
    let off = all.iter().filter(|(_, config)| places_boxes(config));
    let off = off.map(|(name, config)| off_grid(name, config));
    all.iter()
        .map(|(name, config)| on_grid(name, config))
        .chain(off)
        .collect()
}

/// A profile for each filter that a table is resampled by.
const PROFILES: &[(&str, Profile)] = &[
    ("timm", Profile::Timm),
    ("DINOv2", Profile::DinoV2),
    ("SigLIP 2", Profile::SigLip2),
    ("RADIO", Profile::RadioCorners),
];

/// A table of another grid than the embedding's.
fn resampled(profile: Profile) -> AnyPositionConfig {
    let config = LearnedPositionConfig::new()
        .with_grid(Some([5, 4]))
        .with_resample(Some(profile));
    AnyPositionConfig::Learned(config)
}

/// An encoding in two blocks of attention alone.
#[derive(Module, Debug)]
struct Placed {
    embed: LinearPatchEmbed,
    position: AnyPosition,
    qkv: Vec<Linear>,
}

fn placed(config: &AnyPositionConfig, device: &Device) -> Placed {
    let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
    let grid = embed.layout(SIZE).expect("a size that fits");
    let site = Site::over(&grid, DIM)
        .with_prefix(1)
        .with_blocks(DEPTH, HEADS);
    let qkv = || linear([DIM, 3 * DIM], Initializer::Zeros, None, device);
    Placed {
        embed,
        position: config.init(&site, device),
        qkv: (0..DEPTH).map(|_| qkv()).collect(),
    }
}

/// Whether the encoding takes tokens off the grid; conformance leaves out those that say they do not.
fn places_boxes(config: &AnyPositionConfig) -> bool {
    let placed = placed(config, &backends()[0].device);
    let grid = placed.embed.layout(SIZE).expect("a size that fits");
    let layout = grid.into();
    placed.position.check(&layout, PlaceKind::Boxes, 1).is_ok()
}

impl Placed {
    /// Patch tokens behind a class token.
    fn tokens(&self, device: &Device, dtype: DType) -> Tokens {
        let class = det_tensor([1, 1, DIM], 3, device, dtype);
        self.embed.forward(images(device, dtype)).with_prefix(class)
    }

    /// The tokens after each addition and after the attention behind it.
    fn run(&self, mut tokens: Tokens) -> Vec<Tensor<3>> {
        let noise = det(
            DEPTH * self.position.noise(tokens.batch(), tokens.tokens()),
            9,
        );
        let noise: Vec<f32> = noise.iter().map(|value| value + 0.5).collect();
        let mut noise = Noise::from(&noise);
        let mut out = Vec::new();
        for (block, qkv) in self.qkv.iter().enumerate() {
            tokens = self.position.add(tokens, block);
            out.push(tokens.embeddings());
            let attend = self.position.attend(&tokens, block, &mut noise);
            let qkv = apply(qkv, tokens.embeddings());
            let part = |part: usize| qkv.clone().slice_dim(2, part * DIM..(part + 1) * DIM);
            let turned = |index: usize| match &attend.rotation {
                Some(rotation) => rotation.apply(part(index), HEADS),
                None => part(index),
            };
            let options = AttentionOptions::new(HEADS)
                .with_bias(attend.score_bias(HEADS, || part(0)))
                .with_key_bias(attend.key_bias.clone())
                .with_reach(tokens.reach_with_prefix());
            let qkv = Tensor::cat(vec![turned(0), turned(1), part(2)], 2);
            let context = attention(Qkv::Fused(qkv), options);
            tokens = tokens.map(|embeddings| embeddings + context);
            out.push(tokens.embeddings());
        }
        out
    }
}

fn on_grid(name: &str, config: &AnyPositionConfig) -> Subject {
    let config = config.clone();
    Subject::new(
        name,
        move |device: &Device| placed(&config, device),
        |placed, device, dtype| placed.run(placed.tokens(device, dtype)),
    )
}

/// Tokens that carry boxes of their own.
fn off_grid(name: &str, config: &AnyPositionConfig) -> Subject {
    let config = config.clone();
    Subject::new(
        format!("{name}, off the grid"),
        move |device: &Device| placed(&config, device),
        |placed, device, dtype| {
            let tokens = placed.tokens(device, dtype);
            let [batch, count] = [tokens.batch(), tokens.tokens()];
            let shift: Tensor<3> = det_tensor([batch, count, 4], 5, device, dtype) * 3.0;
            let boxes = tokens.boxes_px().cast(dtype) + shift;
            placed.run(tokens.with_places(Places::Boxes(boxes)))
        },
    )
}
