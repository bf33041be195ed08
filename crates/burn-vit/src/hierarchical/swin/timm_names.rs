//! timm's names of Swin's weights.

use crate::hierarchical::swin::swin::Swin;

impl Swin {
    /// timm's names, as patterns, and ours, for `SafetensorsStore::with_key_remapping` with `PyTorchToBurnAdapter`:
    /// `timm/models/swin_transformer.py` and `swin_transformer_v2.py`. What timm stores besides follows from the
    /// configuration: `relative_position_index`, `relative_coords_table` and `attn_mask`.
    pub const TIMM_NAMES: &[(&str, &str)] = &[
        (r"^layers\.(\d+)\.downsample\.", "patch_embed.levels.$1."),
        (r"^layers\.(\d+)\.blocks\.", "stages.$1.blocks."),
        (r"^patch_embed\.(proj|norm)\.", "patch_embed.levels.0.$1."),
        (
            r"attn\.relative_position_bias_table$",
            "position.relative_position_bias_table.0",
        ),
        (r"attn\.cpb_mlp\.0\.", "position.fc1.0."),
        (r"attn\.cpb_mlp\.2\.", "position.fc2.0."),
        (r"^head\.fc\.", "head."),
    ];
}
