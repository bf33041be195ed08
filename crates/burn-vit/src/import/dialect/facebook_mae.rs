//! The original masked autoencoder's names, `models_mae.py`.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;
use crate::import::dialect::timm::{BLOCKS, END, FRONT};

pub(crate) const TABLE: Table = Table {
    name: "facebook-mae",
    prefixes: &["module."],
    signature: &["patch_embed.proj.weight", "decoder_embed.weight"],
    rows: &[DECODER, FRONT, BLOCKS, END],
    elsewhere: &[],
};

const DECODER: &[Row] = &[
    Row::whole("decoder_embed", &["decoder_embed"]),
    Row::whole("decoder_mask_token", &["mask_token"]),
    Row::whole("decoder.position.pos_embed", &["decoder_pos_embed"]),
    Row::whole("decoder.blocks.#.norm1", &["decoder_blocks.#.norm1"]),
    Row::whole("decoder.blocks.#.attn.qkv", &["decoder_blocks.#.attn.qkv"]),
    Row::whole(
        "decoder.blocks.#.attn.proj",
        &["decoder_blocks.#.attn.proj"],
    ),
    Row::whole("decoder.blocks.#.norm2", &["decoder_blocks.#.norm2"]),
    Row::whole("decoder.blocks.#.mlp.fc1", &["decoder_blocks.#.mlp.fc1"]),
    Row::whole("decoder.blocks.#.mlp.fc2", &["decoder_blocks.#.mlp.fc2"]),
    Row::whole("decoder.norm", &["decoder_norm"]),
    Row::whole("decoder_pred", &["decoder_pred"]),
];
