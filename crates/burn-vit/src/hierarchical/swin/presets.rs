//! Published sizes of Swin.

use crate::hierarchical::swin::swin_config::{SwinConfig, SwinVersion};

/// A published Swin, for images of 224×224 pixels (version 2: 256×256).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwinPreset {
    /// `swin_tiny_patch4_window7_224`
    Tiny,
    /// `swin_small_patch4_window7_224`
    Small,
    /// `swin_base_patch4_window7_224`
    Base,
    /// `swin_large_patch4_window7_224`
    Large,
    /// `swinv2_tiny_window8_256`
    V2Tiny,
    /// `swinv2_small_window8_256`
    V2Small,
    /// `swinv2_base_window8_256`
    V2Base,
}

impl SwinPreset {
    /// Its configuration, without classes.
    pub fn config(self) -> SwinConfig {
        const TINY: ([usize; 4], [usize; 4]) = ([2, 2, 6, 2], [3, 6, 12, 24]);
        const SMALL: ([usize; 4], [usize; 4]) = ([2, 2, 18, 2], [3, 6, 12, 24]);
        const BASE: ([usize; 4], [usize; 4]) = ([2, 2, 18, 2], [4, 8, 16, 32]);
        const LARGE: ([usize; 4], [usize; 4]) = ([2, 2, 18, 2], [6, 12, 24, 48]);
        let (dim, (depths, heads), second) = match self {
            Self::Tiny => (96, TINY, false),
            Self::Small => (96, SMALL, false),
            Self::Base => (128, BASE, false),
            Self::Large => (192, LARGE, false),
            Self::V2Tiny => (96, TINY, true),
            Self::V2Small => (96, SMALL, true),
            Self::V2Base => (128, BASE, true),
        };
        let side = if second { 256 } else { 224 };
        let config = SwinConfig::new([side; 2], dim, depths.to_vec(), heads.to_vec());
        match second {
            false => config,
            true => config.with_window([8, 8]).with_version(SwinVersion::V2 {
                pretrained_window: None,
            }),
        }
    }
}
