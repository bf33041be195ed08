//! Every position encoding, for tokens on the grid and off it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::position::{AnyPosition, LearnedPositionConfig, SinCosPositionConfig};

use super::{CHANNELS, DIM, STRIDE, images};
use crate::det::det_tensor;
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    let positions = [
        ("learned", learned as fn(&Device) -> AnyPosition),
        ("sincos", sincos as fn(&Device) -> AnyPosition),
    ];
    let on_grid = positions.map(|(name, init)| position(name, init));
    on_grid
        .into_iter()
        .chain(positions.map(|(name, init)| off_grid(name, init)))
        .collect()
}

fn learned(device: &Device) -> AnyPosition {
    AnyPosition::Learned(
        LearnedPositionConfig::new([2, 6], DIM)
            .with_prefix(1)
            .init(device),
    )
}

fn sincos(device: &Device) -> AnyPosition {
    AnyPosition::SinCos(SinCosPositionConfig::new([2, 6], DIM).init(device))
}

/// An encoding over an embedding, which gives `sincos` a parameter to differentiate.
#[derive(Module, Debug)]
struct Placed {
    embed: LinearPatchEmbed,
    position: AnyPosition,
}

fn position(name: &'static str, init: fn(&Device) -> AnyPosition) -> Subject {
    let init = move |device: &Device| Placed {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        position: init(device),
    };
    Subject::new(
        format!("position::{name}"),
        init,
        |placed, device, dtype| {
            let class = det_tensor([1, 1, DIM], 3, device, dtype);
            let tokens = placed
                .embed
                .forward(images(device, dtype))
                .with_prefix(class);
            vec![placed.position.forward(tokens).into_embeddings()]
        },
    )
}

/// Tokens that carry boxes of their own.
fn off_grid(name: &'static str, init: fn(&Device) -> AnyPosition) -> Subject {
    let init = move |device: &Device| Placed {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        position: init(device),
    };
    Subject::new(
        format!("position::{name}, off the grid"),
        init,
        |placed, device, dtype| {
            let class = det_tensor([1, 1, DIM], 3, device, dtype);
            let tokens = placed.embed.forward(images(device, dtype));
            let [batch, count] = [tokens.batch(), tokens.tokens()];
            let shift: Tensor<3> = det_tensor([batch, count, 4], 5, device, dtype) * 3.0;
            let boxes = tokens.boxes_px().cast(dtype) + shift;
            let tokens = tokens.with_boxes_px(boxes).with_prefix(class);
            vec![placed.position.forward(tokens).into_embeddings()]
        },
    )
}
