//! The layers of [`Swin`] and [`Pvt`].

use crate::groups::layered::{Layered, number};
use crate::hierarchical::{Pvt, Swin};

/// Patches are layer 0; each block of each stage is one more, with the merging before a stage in that of its first
/// block and the last norm in that of the last; then the classifier (timm's `group_matcher`).
impl Layered for Swin {
    fn layer(&self, path: &str) -> usize {
        let before = |stage: usize| -> usize {
            let stages = self.stages[..stage].iter();
            stages.map(|stage| stage.blocks.len()).sum()
        };
        let blocks = before(self.stages.len());
        let (part, path) = path.split_once('.').unwrap_or((path, ""));
        let stage = number(path).unwrap_or(0);
        match part {
            "patch_embed" if stage == 0 => 0,
            "patch_embed" => before(stage) + 1,
            "stages" => {
                let block = path
                    .split_once("blocks.")
                    .and_then(|(_, path)| number(path));
                before(stage) + block.unwrap_or(0) + 1
            }
            "norm" => blocks,
            _ => blocks + 1,
        }
    }
}

/// The first patches are layer 0, each stage with the patches before it is one more, then the classifier (timm's
/// `group_matcher`).
impl Layered for Pvt {
    fn layer(&self, path: &str) -> usize {
        let (part, path) = path.split_once('.').unwrap_or((path, ""));
        let stage = number(path).unwrap_or(0);
        match part {
            "patch_embed" if stage == 0 => 0,
            "patch_embed" | "stages" => stage + 1,
            _ => self.stages.len() + 1,
        }
    }
}
