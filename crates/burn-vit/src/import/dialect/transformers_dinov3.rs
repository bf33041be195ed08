//! transformers' names for DINOv3, those of files on the Hub and those of version 5 in memory.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "transformers-dinov3",
    prefixes: &["model.", "dinov3_vit."],
    signature: &["embeddings.patch_embeddings.weight", "layer.0.norm1.weight"],
    rows: &[ROWS],
    elsewhere: &[],
};

const ROWS: &[Row] = &[
    Row::whole("patch_embed.proj", &["embeddings.patch_embeddings"]),
    Row::whole("prefix.cls_token", &["embeddings.cls_token"]),
    Row::whole("prefix.reg_token", &["embeddings.register_tokens"]),
    Row::whole("mask_token", &["embeddings.mask_token"]),
    Row::whole("encoder.blocks.#.norm1", &["layer.#.norm1"]),
    Row::whole("encoder.blocks.#.norm2", &["layer.#.norm2"]),
    Row::joined(
        "encoder.blocks.#.attn.qkv",
        &[
            "layer.#.attention.q_proj",
            "layer.#.attention.k_proj",
            "layer.#.attention.v_proj",
        ],
    ),
    Row::whole(
        "encoder.blocks.#.attn.q_bias",
        &["layer.#.attention.q_proj.bias"],
    ),
    Row::whole(
        "encoder.blocks.#.attn.v_bias",
        &["layer.#.attention.v_proj.bias"],
    ),
    Row::whole("encoder.blocks.#.attn.proj", &["layer.#.attention.o_proj"]),
    Row::whole(
        "encoder.blocks.#.ls1.gamma",
        &["layer.#.layer_scale1.lambda1"],
    ),
    Row::whole(
        "encoder.blocks.#.ls2.gamma",
        &["layer.#.layer_scale2.lambda1"],
    ),
    Row::joined(
        "encoder.blocks.#.mlp.fc1",
        &["layer.#.mlp.gate_proj", "layer.#.mlp.up_proj"],
    ),
    Row::whole("encoder.blocks.#.mlp.fc1", &["layer.#.mlp.up_proj"]),
    Row::whole("encoder.blocks.#.mlp.fc2", &["layer.#.mlp.down_proj"]),
    Row::whole("encoder.norm", &["norm"]),
];
