//! Pictures of different sizes in one row of tokens, with the logits that each has alone.
//!
//! ```text
//! cargo run --release -p burn-patch-small --bin pack_pictures
//! ```

use burn::tensor::{Device, Tensor};
use burn_patch::Noise;
use burn_patch::embed::LinearPatchEmbedConfig;
use burn_patch::pack::Packer;
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_patch_small::{emoji, to_tensor};
use burn_vit::{EncoderConfig, Error, HeadConfig, VitConfig};
use support::say;

fn main() -> Result<(), Error> {
    let device = Device::flex();
    device.seed(0);
    let embed = LinearPatchEmbedConfig::new([8, 8], 3, 64).init(&device);
    let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
    let vit = VitConfig::new([32, 32], EncoderConfig::new(4, 4).with_position(position))
        .with_head(HeadConfig::classes(10))
        .init(embed, &device);
    // One to twelve emoji: 16 to 192 patches.
    let blocks = [
        [3, 4],
        [1, 1],
        [2, 1],
        [2, 3],
        [1, 2],
        [1, 5],
        [2, 2],
        [1, 1],
    ];
    let pictures = blocks.map(|block| to_tensor(&emoji([0, 0], block), &device));

    let packer = Packer::new(200);
    let packs = vit.pack(&pictures, &packer)?;
    let plan = packs[0].plan();
    for (row, slots) in plan.rows().iter().enumerate() {
        let slots = slots.iter().map(|slot| {
            let [_, height, width] = pictures[slot.image].dims();
            let end = slot.start + slot.length;
            format!("{height}×{width} px at {}..{end}", slot.start)
        });
        say(format_args!(
            "row {row}: {}",
            slots.collect::<Vec<_>>().join(", ")
        ));
    }
    let room = plan.rows().len() * plan.length();
    let longest = 8 * 193;
    say(format_args!(
        "{} tokens in {room} places; padded to the longest: {longest}",
        plan.tokens()
    ));

    let packed = vit.forward_packed(&pictures, &packer, Noise::None);
    let alone = pictures.map(|picture| vit.forward(picture.unsqueeze_dim(0)));
    let apart = (packed - Tensor::cat(alone.to_vec(), 0)).abs().max();
    let apart: f32 = apart.into_scalar();
    say(format_args!(
        "logits packed and one by one are equal to 1e-5: {}",
        apart < 1e-5
    ));
    Ok(())
}
