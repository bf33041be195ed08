//! Every position encoding, for tokens on the grid and off it, before attention and in it.

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{DType, Device, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::layers::{apply, linear};
use burn_patch::ops::{AttentionOptions, Qkv, attention};
use burn_patch::position::{AnyPosition, AnyPositionConfig, POSITIONS, Position, Site};
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
    let names = || POSITIONS.iter().map(|entry| entry.name);
    let off = names().filter(|name| places_boxes(name)).map(off_grid);
    names().map(on_grid).chain(off).collect()
}

/// An encoding in two blocks of attention alone.
#[derive(Module, Debug)]
struct Placed {
    embed: LinearPatchEmbed,
    position: AnyPosition,
    qkv: Vec<Linear>,
}

fn placed(name: &str, device: &Device) -> Placed {
    let config = AnyPositionConfig::by_name(name).expect("a name of the catalogue");
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
fn places_boxes(name: &str) -> bool {
    let placed = placed(name, &backends()[0].device);
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

fn on_grid(name: &'static str) -> Subject {
    Subject::new(
        format!("position::{name}"),
        move |device| placed(name, device),
        |placed, device, dtype| placed.run(placed.tokens(device, dtype)),
    )
}

/// Tokens that carry boxes of their own.
fn off_grid(name: &'static str) -> Subject {
    Subject::new(
        format!("position::{name}, off the grid"),
        move |device| placed(name, device),
        |placed, device, dtype| {
            let tokens = placed.tokens(device, dtype);
            let [batch, count] = [tokens.batch(), tokens.tokens()];
            let shift: Tensor<3> = det_tensor([batch, count, 4], 5, device, dtype) * 3.0;
            let boxes = tokens.boxes_px().cast(dtype) + shift;
            placed.run(tokens.with_places(Places::Boxes(boxes)))
        },
    )
}
