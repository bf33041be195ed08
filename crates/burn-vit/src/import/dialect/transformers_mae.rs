//! transformers' names for the masked autoencoder, those of files on the Hub and those of version 5 in memory.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;
use crate::import::dialect::transformers_vit::ROWS;

pub(crate) const TABLE: Table = Table {
    name: "transformers-mae",
    prefixes: &["vit."],
    signature: &[
        "embeddings.patch_embeddings.projection.weight",
        "decoder.decoder_embed.weight",
    ],
    rows: &[DECODER, ROWS],
    elsewhere: &[],
};

const DECODER: &[Row] = &[
    Row::whole("decoder_embed", &["decoder.decoder_embed"]),
    Row::whole("decoder_mask_token", &["decoder.mask_token"]),
    Row::whole("decoder.position.pos_embed", &["decoder.decoder_pos_embed"]),
    Row::whole(
        "decoder.blocks.#.norm1",
        &["decoder.decoder_layers.#.layernorm_before"],
    ),
    Row::whole(
        "decoder.blocks.#.norm2",
        &["decoder.decoder_layers.#.layernorm_after"],
    ),
    Row::joined(
        "decoder.blocks.#.attn.qkv",
        &[
            "decoder.decoder_layers.#.attention.attention.query",
            "decoder.decoder_layers.#.attention.attention.key",
            "decoder.decoder_layers.#.attention.attention.value",
        ],
    ),
    Row::whole(
        "decoder.blocks.#.attn.proj",
        &["decoder.decoder_layers.#.attention.output.dense"],
    ),
    Row::whole(
        "decoder.blocks.#.mlp.fc1",
        &["decoder.decoder_layers.#.intermediate.dense"],
    ),
    Row::whole(
        "decoder.blocks.#.mlp.fc2",
        &["decoder.decoder_layers.#.output.dense"],
    ),
    Row::joined(
        "decoder.blocks.#.attn.qkv",
        &[
            "decoder.decoder_layers.#.attention.q_proj",
            "decoder.decoder_layers.#.attention.k_proj",
            "decoder.decoder_layers.#.attention.v_proj",
        ],
    ),
    Row::whole(
        "decoder.blocks.#.attn.proj",
        &["decoder.decoder_layers.#.attention.o_proj"],
    ),
    Row::whole(
        "decoder.blocks.#.mlp.fc1",
        &["decoder.decoder_layers.#.mlp.fc1"],
    ),
    Row::whole(
        "decoder.blocks.#.mlp.fc2",
        &["decoder.decoder_layers.#.mlp.fc2"],
    ),
    Row::whole("decoder.norm", &["decoder.decoder_norm"]),
    Row::whole("decoder_pred", &["decoder.decoder_pred"]),
];
