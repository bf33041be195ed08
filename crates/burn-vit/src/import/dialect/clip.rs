//! transformers' names for CLIP's vision tower.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "transformers-clip",
    prefixes: &["vision_model."],
    signature: &["embeddings.class_embedding", "pre_layrnorm.weight"],
    rows: &[ROWS],
    elsewhere: &[
        "text_model.",
        "logit_scale",
        "text_projection.",
        "visual_projection.",
    ],
};

const ROWS: &[Row] = &[
    Row::whole("patch_embed.proj", &["embeddings.patch_embedding"]),
    Row::whole("prefix.cls_token", &["embeddings.class_embedding"]).with_axes(1),
    Row::whole(
        "encoder.position.pos_embed",
        &["embeddings.position_embedding.weight"],
    )
    .with_axes(2),
    Row::whole("encoder.norm_pre", &["pre_layrnorm"]),
    Row::whole("encoder.blocks.#.norm1", &["encoder.layers.#.layer_norm1"]),
    Row::whole("encoder.blocks.#.norm2", &["encoder.layers.#.layer_norm2"]),
    Row::joined(
        "encoder.blocks.#.attn.qkv",
        &[
            "encoder.layers.#.self_attn.q_proj",
            "encoder.layers.#.self_attn.k_proj",
            "encoder.layers.#.self_attn.v_proj",
        ],
    ),
    Row::whole(
        "encoder.blocks.#.attn.proj",
        &["encoder.layers.#.self_attn.out_proj"],
    ),
    Row::whole("encoder.blocks.#.mlp.fc1", &["encoder.layers.#.mlp.fc1"]),
    Row::whole("encoder.blocks.#.mlp.fc2", &["encoder.layers.#.mlp.fc2"]),
    Row::whole("head.fc_norm", &["post_layernorm"]),
    Row::whole("head.fc", &["classifier"]),
];
