//! timm's names of PVT v2's weights.

use crate::hierarchical::pvt::pvt::Pvt;

impl Pvt {
    /// timm's names, as patterns, and ours, for `SafetensorsStore::with_key_remapping` with `PyTorchToBurnAdapter`:
    /// `timm/models/pvt_v2.py`.
    pub const TIMM_NAMES: &[(&str, &str)] = &[
        (r"^stages\.(\d+)\.downsample\.", "patch_embed.levels.$1."),
        (r"^patch_embed\.(proj|norm)\.", "patch_embed.levels.0.$1."),
        (r"attn\.sr\.", "attn.sr.proj."),
        (r"attn\.norm\.", "attn.sr.norm."),
    ];
}
