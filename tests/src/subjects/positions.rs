//! Every position encoding, for tokens on the grid and off it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::position::{AnyPosition, AnyPositionConfig, POSITIONS, Position, Site};
use burn_patch::tokens::Places;

use super::{CHANNELS, DIM, STRIDE, images};
use crate::det::det_tensor;
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    let on_grid = POSITIONS.iter().map(|entry| position(entry.name));
    on_grid
        .chain(POSITIONS.iter().map(|entry| off_grid(entry.name)))
        .collect()
}

fn init(name: &str, device: &Device) -> AnyPosition {
    let config = AnyPositionConfig::by_name(name).expect("a name of the catalogue");
    config.init(&Site::new([2, 6], DIM).with_prefix(1), device)
}

/// An encoding over an embedding, which gives `sincos` a parameter to differentiate.
#[derive(Module, Debug)]
struct Placed {
    embed: LinearPatchEmbed,
    position: AnyPosition,
}

fn position(name: &'static str) -> Subject {
    let init = move |device: &Device| Placed {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        position: init(name, device),
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
            vec![placed.position.add(tokens, 0).into_embeddings()]
        },
    )
}

/// Tokens that carry boxes of their own.
fn off_grid(name: &'static str) -> Subject {
    let init = move |device: &Device| Placed {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        position: init(name, device),
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
            let tokens = tokens.with_places(Places::Boxes(boxes)).with_prefix(class);
            vec![placed.position.add(tokens, 0).into_embeddings()]
        },
    )
}
