//! transformers' names for ViT and DeiT, those of files on the Hub and those of version 5 in memory.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "transformers-vit",
    prefixes: &["vit.", "deit."],
    signature: &[
        "embeddings.patch_embeddings.projection.weight",
        "encoder.layer.0.layernorm_before.weight|layers.0.layernorm_before.weight",
    ],
    rows: &[ROWS],
    elsewhere: &[],
};

pub(crate) const ROWS: &[Row] = &[
    Row::whole(
        "patch_embed.proj",
        &["embeddings.patch_embeddings.projection"],
    ),
    Row::whole("prefix.cls_token", &["embeddings.cls_token"]),
    Row::whole("prefix.dist_token", &["embeddings.distillation_token"]),
    Row::whole("prefix.reg_token", &["embeddings.register_tokens"]),
    Row::whole("mask_token", &["embeddings.mask_token"]),
    Row::whole(
        "encoder.position.pos_embed",
        &["embeddings.position_embeddings"],
    ),
    Row::whole("encoder.norm", &["layernorm"]),
    Row::whole(
        "encoder.blocks.#.norm1",
        &["encoder.layer.#.layernorm_before"],
    ),
    Row::whole(
        "encoder.blocks.#.norm2",
        &["encoder.layer.#.layernorm_after"],
    ),
    Row::joined(
        "encoder.blocks.#.attn.qkv",
        &[
            "encoder.layer.#.attention.attention.query",
            "encoder.layer.#.attention.attention.key",
            "encoder.layer.#.attention.attention.value",
        ],
    ),
    Row::whole(
        "encoder.blocks.#.attn.proj",
        &["encoder.layer.#.attention.output.dense"],
    ),
    Row::whole(
        "encoder.blocks.#.mlp.fc1",
        &["encoder.layer.#.intermediate.dense"],
    ),
    Row::whole(
        "encoder.blocks.#.mlp.fc2",
        &["encoder.layer.#.output.dense"],
    ),
    Row::whole("encoder.blocks.#.norm1", &["layers.#.layernorm_before"]),
    Row::whole("encoder.blocks.#.norm2", &["layers.#.layernorm_after"]),
    Row::joined(
        "encoder.blocks.#.attn.qkv",
        &[
            "layers.#.attention.q_proj",
            "layers.#.attention.k_proj",
            "layers.#.attention.v_proj",
        ],
    ),
    Row::whole("encoder.blocks.#.attn.proj", &["layers.#.attention.o_proj"]),
    Row::whole("encoder.blocks.#.mlp.fc1", &["layers.#.mlp.fc1"]),
    Row::whole("encoder.blocks.#.mlp.fc2", &["layers.#.mlp.fc2"]),
    Row::whole("head.fc", &["classifier"]),
    Row::whole("head.fc", &["cls_classifier"]),
    Row::whole("head.fc_dist", &["distillation_classifier"]),
];
