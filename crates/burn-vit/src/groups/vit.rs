//! The layers of a [`Vit`] and of a [`Mae`].

use burn_patch::embed::PatchEmbed;
use burn_patch::position::{AnyPosition, Position};

use crate::encoder::Encoder;
use crate::groups::layered::{Layered, number};
use crate::mae::Mae;
use crate::vit::Vit;

/// Patches, prefix, mask token and tables are layer 0, block `i` is `i + 1` with its reducers, the last norm belongs to
/// the last block, and the head is a layer of its own (BEiT's `get_num_layer_for_vit`, timm's `group_matcher`). Rotary
/// frequencies are in that last layer, where timm leaves them; tables that each block has for itself are in the block's.
impl<E: PatchEmbed> Layered for Vit<E> {
    fn layer(&self, path: &str) -> usize {
        let head = self.encoder.blocks.len() + 1;
        match path.split_once('.') {
            Some(("patch_embed" | "prefix", _)) | None => 0,
            Some(("encoder", path)) => encoder_layer(&self.encoder, path),
            Some(_) => head,
        }
    }
}

/// Those of the encoder's [`Vit`]; the decoder and what lies between are in the layer of its head.
impl<E: PatchEmbed> Layered for Mae<E> {
    fn layer(&self, path: &str) -> usize {
        match path.split_once('.') {
            Some(("vit", path)) => self.vit.layer(path),
            _ => self.vit.encoder.blocks.len() + 1,
        }
    }
}

fn encoder_layer(encoder: &Encoder, path: &str) -> usize {
    let blocks = encoder.blocks.len();
    let (part, path) = path.split_once('.').unwrap_or((path, ""));
    let index = number(path).unwrap_or(0);
    match part {
        "position" => position_layer(&encoder.position, path, blocks),
        "position_within" => encoder
            .position_within
            .as_ref()
            .map_or(0, |position| position_layer(position, path, blocks)),
        "norm_pre" => 0,
        "blocks" => index + 1,
        "reducers" => encoder.stages[index].block() + 1,
        _ => blocks,
    }
}

fn position_layer(position: &AnyPosition, path: &str, blocks: usize) -> usize {
    let of_all_blocks = path.ends_with("freqs");
    match number(path) {
        Some(block) if position.per_block() => block + 1,
        _ if of_all_blocks => blocks + 1,
        _ => 0,
    }
}
