//! transformers' names for DINOv2, with and without registers, those of files on the Hub and those of version 5 in memory.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "transformers-dinov2",
    prefixes: &["dinov2.", "dinov2_with_registers.", "backbone."],
    signature: &[
        "embeddings.patch_embeddings.projection.weight",
        "encoder.layer.0.norm1.weight",
    ],
    rows: &[ROWS],
    elsewhere: &[],
};

const ROWS: &[Row] = &[
    Row::whole(
        "patch_embed.proj",
        &["embeddings.patch_embeddings.projection"],
    ),
    Row::whole("prefix.cls_token", &["embeddings.cls_token"]),
    Row::whole("prefix.dist_token", &["embeddings.distillation_token"]),
    Row::whole("prefix.reg_token", &["embeddings.register_tokens"]),
    Row::whole("mask_token", &["embeddings.mask_token"]).with_axes(2),
    Row::whole(
        "encoder.position.pos_embed",
        &["embeddings.position_embeddings"],
    ),
    Row::whole("encoder.norm", &["layernorm"]),
    Row::whole("encoder.blocks.#.norm1", &["encoder.layer.#.norm1"]),
    Row::whole("encoder.blocks.#.norm2", &["encoder.layer.#.norm2"]),
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
    Row::joined(
        "encoder.blocks.#.attn.qkv",
        &[
            "encoder.layer.#.attention.q_proj",
            "encoder.layer.#.attention.k_proj",
            "encoder.layer.#.attention.v_proj",
        ],
    ),
    Row::whole(
        "encoder.blocks.#.attn.proj",
        &["encoder.layer.#.attention.o_proj"],
    ),
    Row::whole(
        "encoder.blocks.#.ls1.gamma",
        &["encoder.layer.#.layer_scale1.lambda1"],
    ),
    Row::whole(
        "encoder.blocks.#.ls2.gamma",
        &["encoder.layer.#.layer_scale2.lambda1"],
    ),
    Row::whole("encoder.blocks.#.mlp.fc1", &["encoder.layer.#.mlp.fc1"]),
    Row::whole(
        "encoder.blocks.#.mlp.fc1",
        &["encoder.layer.#.mlp.weights_in"],
    ),
    Row::whole("encoder.blocks.#.mlp.fc2", &["encoder.layer.#.mlp.fc2"]),
    Row::whole(
        "encoder.blocks.#.mlp.fc2",
        &["encoder.layer.#.mlp.weights_out"],
    ),
];
