//! torchvision's names for ViT, `torchvision/models/vision_transformer.py`; the MLP's names are those of its first version
//! and of the present one.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "torchvision",
    prefixes: &["module."],
    signature: &[
        "conv_proj.weight",
        "encoder.layers.encoder_layer_0.ln_1.weight",
    ],
    rows: &[ROWS],
    elsewhere: &[],
};

const ROWS: &[Row] = &[
    Row::whole("patch_embed.proj", &["conv_proj"]),
    Row::whole("prefix.cls_token", &["class_token"]),
    Row::whole("encoder.position.pos_embed", &["encoder.pos_embedding"]),
    Row::whole(
        "encoder.blocks.#.norm1",
        &["encoder.layers.encoder_layer_#.ln_1"],
    ),
    Row::in_projection(
        "encoder.blocks.#.attn.qkv",
        &["encoder.layers.encoder_layer_#.self_attention.in_proj"],
    ),
    Row::whole(
        "encoder.blocks.#.attn.proj",
        &["encoder.layers.encoder_layer_#.self_attention.out_proj"],
    ),
    Row::whole(
        "encoder.blocks.#.norm2",
        &["encoder.layers.encoder_layer_#.ln_2"],
    ),
    Row::whole(
        "encoder.blocks.#.mlp.fc1",
        &["encoder.layers.encoder_layer_#.mlp.0"],
    ),
    Row::whole(
        "encoder.blocks.#.mlp.fc1",
        &["encoder.layers.encoder_layer_#.mlp.linear_1"],
    ),
    Row::whole(
        "encoder.blocks.#.mlp.fc2",
        &["encoder.layers.encoder_layer_#.mlp.3"],
    ),
    Row::whole(
        "encoder.blocks.#.mlp.fc2",
        &["encoder.layers.encoder_layer_#.mlp.linear_2"],
    ),
    Row::whole("encoder.norm", &["encoder.ln"]),
    Row::whole("head.fc", &["heads.head"]),
];
