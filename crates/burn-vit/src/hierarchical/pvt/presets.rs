//! Published sizes of PVT v2.

use crate::hierarchical::pvt::pvt_config::PvtConfig;

/// A published PVT v2: `pvt_v2_b0` to `pvt_v2_b5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PvtPreset {
    /// 3.7 million parameters
    B0,
    /// 14 million
    B1,
    /// 25 million
    B2,
    /// 45 million
    B3,
    /// 63 million
    B4,
    /// 82 million
    B5,
}

impl PvtPreset {
    /// Its configuration, without classes.
    pub fn config(self) -> PvtConfig {
        const DIMS: [usize; 4] = [64, 128, 320, 512];
        let (dims, depths) = match self {
            Self::B0 => ([32, 64, 160, 256], [2, 2, 2, 2]),
            Self::B1 => (DIMS, [2, 2, 2, 2]),
            Self::B2 => (DIMS, [3, 4, 6, 3]),
            Self::B3 => (DIMS, [3, 4, 18, 3]),
            Self::B4 => (DIMS, [3, 8, 27, 3]),
            Self::B5 => (DIMS, [3, 6, 40, 3]),
        };
        let config = PvtConfig::new(dims, depths, [1, 2, 5, 8]);
        match self {
            Self::B5 => PvtConfig {
                mlp_ratios: vec![4; 4],
                ..config
            },
            _ => config,
        }
    }
}
