//! Every position encoding, for tokens on the grid and off it.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::position::{
    AnyPosition, AnyPositionConfig, LearnedPositionConfig, POSITIONS, Position, Site,
};
use burn_patch::resample::Profile;
use burn_patch::tokens::Places;

use super::{CHANNELS, DIM, STRIDE, images};
use crate::det::det_tensor;
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    let named = |name: &'static str| {
        let make = move |device: &Device| init(name, device);
        [
            on_grid(format!("position::{name}"), make),
            off_grid(format!("position::{name}, off the grid"), make),
        ]
    };
    let named = POSITIONS.iter().flat_map(|entry| named(entry.name));
    let resampled = PROFILES.iter().flat_map(|&(name, profile)| {
        let make = move |device: &Device| resampled(profile, device);
        [
            on_grid(format!("position::learned, resampled as {name}"), make),
            off_grid(
                format!("position::learned, resampled as {name}, off the grid"),
                make,
            ),
        ]
    });
    named.chain(resampled).collect()
}

/// A profile for each filter that a table is resampled by.
const PROFILES: &[(&str, Profile)] = &[
    ("timm", Profile::Timm),
    ("DINOv2", Profile::DinoV2),
    ("SigLIP 2", Profile::SigLip2),
    ("RADIO", Profile::RadioCorners),
];

fn site() -> Site {
    Site::new([2, 6], DIM).with_prefix(1)
}

fn init(name: &str, device: &Device) -> AnyPosition {
    let config = AnyPositionConfig::by_name(name).expect("a name of the catalogue");
    config.init(&site(), device)
}

/// A table of another grid than the embedding's.
fn resampled(profile: Profile, device: &Device) -> AnyPosition {
    let config = LearnedPositionConfig::new()
        .with_grid(Some([5, 4]))
        .with_resample(Some(profile));
    AnyPositionConfig::Learned(config).init(&site(), device)
}

/// An encoding over an embedding, which gives `sincos` a parameter to differentiate.
#[derive(Module, Debug)]
struct Placed {
    embed: LinearPatchEmbed,
    position: AnyPosition,
}

fn on_grid(name: String, position: impl Fn(&Device) -> AnyPosition + Clone + 'static) -> Subject {
    let init = move |device: &Device| Placed {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        position: position(device),
    };
    Subject::new(name, init, |placed, device, dtype| {
        let class = det_tensor([1, 1, DIM], 3, device, dtype);
        let tokens = placed
            .embed
            .forward(images(device, dtype))
            .with_prefix(class);
        vec![placed.position.add(tokens, 0).into_embeddings()]
    })
}

/// Tokens that carry boxes of their own.
fn off_grid(name: String, position: impl Fn(&Device) -> AnyPosition + Clone + 'static) -> Subject {
    let init = move |device: &Device| Placed {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        position: position(device),
    };
    Subject::new(name, init, |placed, device, dtype| {
        let class = det_tensor([1, 1, DIM], 3, device, dtype);
        let tokens = placed.embed.forward(images(device, dtype));
        let [batch, count] = [tokens.batch(), tokens.tokens()];
        let shift: Tensor<3> = det_tensor([batch, count, 4], 5, device, dtype) * 3.0;
        let boxes = tokens.boxes_px().cast(dtype) + shift;
        let tokens = tokens.with_places(Places::Boxes(boxes)).with_prefix(class);
        vec![placed.position.add(tokens, 0).into_embeddings()]
    })
}
