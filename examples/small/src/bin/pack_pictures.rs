//! Pictures of different sizes in one row of tokens, with the logits that each has alone.
//!
//! On 2 cores, once compiled: 1 s.
//!
//! ```text
//! $ cargo run -p burn-patch-small --bin pack_pictures
//! row 0: 96×128 px at 0..193
//! row 1: 32×32 px at 0..17
//! row 1: 64×96 px at 17..114
//! row 1: 32×160 px at 114..195
//! row 2: 64×64 px at 0..65
//! row 2: 32×64 px at 65..98
//! 486 tokens in 600 places, 1158 if padded
//! as one by one, to 1e-5: true
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
    // One to twelve emoji of 16 patches each.
    let blocks = [[3, 4], [1, 1], [2, 3], [1, 5], [2, 2], [1, 2]];
    let pictures = blocks.map(|block| to_tensor(&emoji([0, 0], block), &device));

    let packer = Packer::new(200);
    let packs = vit.pack(&pictures, &packer)?;
    let plan = packs[0].plan();
    for (row, slot) in plan.slots() {
        let [_, height, width] = pictures[slot.image].dims();
        let tokens = slot.start..slot.start + slot.length;
        say(format_args!("row {row}: {height}×{width} px at {tokens:?}"));
    }
    let places = plan.rows().len() * plan.length();
    let padded = vit.embed_by_size(&pictures)?.padded();
    let padded = padded.batch() * (padded.prefix() + padded.tokens());
    let tokens = plan.tokens();
    let line = format!("{tokens} tokens in {places} places, {padded} if padded");
    say(line);

    let packed = vit.forward_packed(&pictures, &packer, Noise::None);
    let alone = pictures.map(|picture| vit.forward(picture.unsqueeze_dim(0)));
    let apart = packed - Tensor::cat(alone.to_vec(), 0);
    let apart: f32 = apart.abs().max().into_scalar();
    say(format_args!("as one by one, to 1e-5: {}", apart < 1e-5));
    Ok(())
}
