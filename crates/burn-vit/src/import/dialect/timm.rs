//! timm's names for ViT and DeiT, `timm/models/vision_transformer.py` and `deit.py`, and those of the original DINOv2
//! (`dinov2/models/vision_transformer.py`), which differ in registers, mask token and packed SwiGLU alone.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "timm",
    prefixes: &["module.", "backbone.", "teacher.backbone."],
    signature: &["patch_embed.proj.weight", "blocks.0.attn.qkv.weight"],
    rows: &[FRONT, MASK, BLOCKS, END],
    elsewhere: &["dino_head.", "ibot_head."],
};

pub(crate) const FRONT: &[Row] = &[
    Row::whole("patch_embed.proj", &["patch_embed.proj"]),
    Row::whole("prefix.cls_token", &["cls_token"]),
    Row::whole("prefix.dist_token", &["dist_token"]),
    Row::whole("prefix.reg_token", &["reg_token"]),
    Row::whole("prefix.reg_token", &["register_tokens"]),
    Row::whole("encoder.position.pos_embed", &["pos_embed"]),
    Row::whole("encoder.norm_pre", &["norm_pre"]),
];

pub(crate) const MASK: &[Row] = &[Row::whole("mask_token", &["mask_token"])];

pub(crate) const BLOCKS: &[Row] = &[
    Row::whole("encoder.blocks.#.norm1", &["blocks.#.norm1"]),
    Row::whole("encoder.blocks.#.attn.qkv", &["blocks.#.attn.qkv"]),
    Row::whole("encoder.blocks.#.attn.q_norm", &["blocks.#.attn.q_norm"]),
    Row::whole("encoder.blocks.#.attn.k_norm", &["blocks.#.attn.k_norm"]),
    Row::whole("encoder.blocks.#.attn.proj", &["blocks.#.attn.proj"]),
    Row::whole("encoder.blocks.#.ls1.gamma", &["blocks.#.ls1.gamma"]),
    Row::whole("encoder.blocks.#.norm2", &["blocks.#.norm2"]),
    Row::whole("encoder.blocks.#.mlp.fc1", &["blocks.#.mlp.fc1"]),
    Row::whole("encoder.blocks.#.mlp.fc1", &["blocks.#.mlp.w12"]),
    Row::joined(
        "encoder.blocks.#.mlp.fc1",
        &["blocks.#.mlp.fc1_g", "blocks.#.mlp.fc1_x"],
    ),
    Row::whole("encoder.blocks.#.mlp.norm", &["blocks.#.mlp.norm"]),
    Row::whole("encoder.blocks.#.mlp.fc2", &["blocks.#.mlp.fc2"]),
    Row::whole("encoder.blocks.#.mlp.fc2", &["blocks.#.mlp.w3"]),
    Row::whole("encoder.blocks.#.ls2.gamma", &["blocks.#.ls2.gamma"]),
];

pub(crate) const END: &[Row] = &[
    Row::whole("encoder.norm", &["norm"]),
    Row::whole("head.fc_norm", &["fc_norm"]),
    Row::whole("head.attn_pool.latent", &["attn_pool.latent"]),
    Row::whole("head.attn_pool.q", &["attn_pool.q"]),
    Row::whole("head.attn_pool.kv", &["attn_pool.kv"]),
    Row::whole("head.attn_pool.proj", &["attn_pool.proj"]),
    Row::whole("head.attn_pool.norm", &["attn_pool.norm"]),
    Row::whole("head.attn_pool.mlp.fc1", &["attn_pool.mlp.fc1"]),
    Row::whole("head.attn_pool.mlp.fc2", &["attn_pool.mlp.fc2"]),
    Row::whole("head.fc", &["head"]),
    Row::whole("head.fc_dist", &["head_dist"]),
];
