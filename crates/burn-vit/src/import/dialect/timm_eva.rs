//! timm's names for EVA, EVA-02, rope-vit and DINOv3 (`timm/models/eva.py`) and for BEiT (`timm/models/beit.py`).

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;
use crate::import::dialect::timm::{BLOCKS, END, FRONT, MASK};

pub(crate) const TABLE: Table = Table {
    name: "timm-eva",
    prefixes: &["module.", "backbone."],
    signature: &[
        "patch_embed.proj.weight",
        "blocks.0.gamma_1|blocks.0.attn.q_bias|blocks.0.attn.q_proj.weight|blocks.0.mlp.fc1_g.weight|rope.freqs",
    ],
    rows: &[EVA, FRONT, MASK, BLOCKS, END],
    elsewhere: &[],
};

const EVA: &[Row] = &[
    Row::whole("encoder.blocks.#.attn.qkv", &["blocks.#.attn.qkv"]),
    Row::joined(
        "encoder.blocks.#.attn.qkv",
        &[
            "blocks.#.attn.q_proj",
            "blocks.#.attn.k_proj",
            "blocks.#.attn.v_proj",
        ],
    ),
    Row::whole("encoder.blocks.#.attn.q_bias", &["blocks.#.attn.q_bias"]),
    Row::whole(
        "encoder.blocks.#.attn.q_bias",
        &["blocks.#.attn.q_proj.bias"],
    ),
    Row::whole("encoder.blocks.#.attn.v_bias", &["blocks.#.attn.v_bias"]),
    Row::whole(
        "encoder.blocks.#.attn.v_bias",
        &["blocks.#.attn.v_proj.bias"],
    ),
    Row::whole("encoder.blocks.#.ls1.gamma", &["blocks.#.gamma_1"]),
    Row::whole("encoder.blocks.#.ls2.gamma", &["blocks.#.gamma_2"]),
    Row::whole(
        "encoder.blocks.#.attn.relative",
        &["blocks.#.attn.relative_position_bias_table"],
    ),
    Row::whole("encoder.position_within.freqs", &["rope.freqs"]),
];
