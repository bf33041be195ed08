//! timm's names for NaFlexViT, `timm/models/naflexvit.py`.

use crate::import::dialect::row::Row;
use crate::import::dialect::table::Table;
use crate::import::dialect::timm::{BLOCKS, END};

pub(crate) const TABLE: Table = Table {
    name: "timm-naflex",
    prefixes: &["module."],
    signature: &["embeds.proj.weight", "blocks.0.attn.qkv.weight"],
    rows: &[FRONT, BLOCKS, END],
    elsewhere: &[],
};

const FRONT: &[Row] = &[
    Row::whole("patch_embed.proj", &["embeds.proj"]),
    Row::whole("prefix.cls_token", &["embeds.cls_token"]),
    Row::whole("prefix.reg_token", &["embeds.reg_token"]),
    Row::whole("encoder.position.pos_embed", &["embeds.pos_embed"]),
    Row::whole("encoder.norm_pre", &["norm_pre"]),
];
