//! The names of JAX checkpoints (`.npz`): AugReg's (google-research/vision_transformer, `vit_jax/models_vit.py`) and
//! big_vision's (`big_vision/models/vit.py`: FlexiViT, SigLIP), as `timm/models/vision_transformer.py` (`_load_weights`)
//! reads them.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "flax",
    prefixes: &["opt/target/", "params/img/", "params/"],
    signature: &[
        "embedding/kernel",
        "Transformer/encoderblock_0/LayerNorm_0/scale",
    ],
    rows: &[ENDS, AUGREG, BIG_VISION],
    elsewhere: &["opt/state/", "params/txt/", "params/t", "params/b"],
};

const ENDS: &[Row] = &[
    Row::flax("patch_embed.proj", &["embedding"]),
    Row::flax("prefix.cls_token", &["cls"]),
    Row::flax("encoder.norm", &["Transformer/encoder_norm"]),
    Row::flax("head.attn_pool.latent", &["MAPHead_0/probe"]),
    Row::flax(
        "head.attn_pool.q",
        &["MAPHead_0/MultiHeadDotProductAttention_0/query"],
    ),
    Row::flax(
        "head.attn_pool.kv",
        &[
            "MAPHead_0/MultiHeadDotProductAttention_0/key",
            "MAPHead_0/MultiHeadDotProductAttention_0/value",
        ],
    ),
    Row::flax(
        "head.attn_pool.proj",
        &["MAPHead_0/MultiHeadDotProductAttention_0/out"],
    ),
    Row::flax("head.attn_pool.norm", &["MAPHead_0/LayerNorm_0"]),
    Row::flax("head.attn_pool.mlp.fc1", &["MAPHead_0/MlpBlock_0/Dense_0"]),
    Row::flax("head.attn_pool.mlp.fc2", &["MAPHead_0/MlpBlock_0/Dense_1"]),
    Row::flax("head.fc", &["head"]),
    Row::flax(
        "encoder.blocks.#.norm1",
        &["Transformer/encoderblock_#/LayerNorm_0"],
    ),
];

const AUGREG: &[Row] = &[
    Row::flax(
        "encoder.position.pos_embed",
        &["Transformer/posembed_input/pos_embedding"],
    ),
    Row::flax(
        "encoder.blocks.#.attn.qkv",
        &[
            "Transformer/encoderblock_#/MultiHeadDotProductAttention_1/query",
            "Transformer/encoderblock_#/MultiHeadDotProductAttention_1/key",
            "Transformer/encoderblock_#/MultiHeadDotProductAttention_1/value",
        ],
    ),
    Row::flax(
        "encoder.blocks.#.attn.proj",
        &["Transformer/encoderblock_#/MultiHeadDotProductAttention_1/out"],
    ),
    Row::flax(
        "encoder.blocks.#.norm2",
        &["Transformer/encoderblock_#/LayerNorm_2"],
    ),
    Row::flax(
        "encoder.blocks.#.mlp.fc1",
        &["Transformer/encoderblock_#/MlpBlock_3/Dense_0"],
    ),
    Row::flax(
        "encoder.blocks.#.mlp.fc2",
        &["Transformer/encoderblock_#/MlpBlock_3/Dense_1"],
    ),
];

const BIG_VISION: &[Row] = &[
    Row::flax("encoder.position.pos_embed", &["pos_embedding"]),
    Row::flax(
        "encoder.blocks.#.attn.qkv",
        &[
            "Transformer/encoderblock_#/MultiHeadDotProductAttention_0/query",
            "Transformer/encoderblock_#/MultiHeadDotProductAttention_0/key",
            "Transformer/encoderblock_#/MultiHeadDotProductAttention_0/value",
        ],
    ),
    Row::flax(
        "encoder.blocks.#.attn.proj",
        &["Transformer/encoderblock_#/MultiHeadDotProductAttention_0/out"],
    ),
    Row::flax(
        "encoder.blocks.#.norm2",
        &["Transformer/encoderblock_#/LayerNorm_1"],
    ),
    Row::flax(
        "encoder.blocks.#.mlp.fc1",
        &["Transformer/encoderblock_#/MlpBlock_0/Dense_0"],
    ),
    Row::flax(
        "encoder.blocks.#.mlp.fc2",
        &["Transformer/encoderblock_#/MlpBlock_0/Dense_1"],
    ),
];
