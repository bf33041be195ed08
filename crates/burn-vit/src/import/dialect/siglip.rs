//! transformers' names for SigLIP's and SigLIP2's vision towers.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "transformers-siglip",
    prefixes: &["vision_model."],
    signature: &["embeddings.patch_embedding.weight", "post_layernorm.weight"],
    rows: &[ROWS],
    elsewhere: &["text_model.", "logit_scale", "logit_bias"],
};

const ROWS: &[Row] = &[
    Row::whole("patch_embed.proj", &["embeddings.patch_embedding"]),
    Row::whole(
        "encoder.position.pos_embed",
        &["embeddings.position_embedding.weight"],
    )
    .with_axes(2),
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
    Row::whole("encoder.norm", &["post_layernorm"]),
    Row::whole("head.attn_pool.latent", &["head.probe"]),
    Row::thirds("head.attn_pool.q", &["head.attention.in_proj"], [0, 1]),
    Row::thirds("head.attn_pool.kv", &["head.attention.in_proj"], [1, 3]),
    Row::whole("head.attn_pool.proj", &["head.attention.out_proj"]),
    Row::whole("head.attn_pool.norm", &["head.layernorm"]),
    Row::whole("head.attn_pool.mlp.fc1", &["head.mlp.fc1"]),
    Row::whole("head.attn_pool.mlp.fc2", &["head.mlp.fc2"]),
    Row::whole("head.fc", &["classifier"]),
];
