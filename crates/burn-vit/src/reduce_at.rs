//! Where in an encoder something reduces the tokens.

use burn::tensor::Device;
use burn_patch::reduce::{AnyReduce, AnyReduceConfig, Reduce, Sees};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Where a reducer stands; blocks are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Before a block: masks, PatchMerger.
    BeforeBlock(usize),
    /// Between a block's attention and its MLP: ToMe, EViT. One for each block.
    AfterAttention(usize),
}

impl Stage {
    /// The block.
    pub fn block(self) -> usize {
        match self {
            Self::BeforeBlock(block) | Self::AfterAttention(block) => block,
        }
    }
}

/// A reducer and its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReduceAt {
    /// What reduces the patch tokens.
    pub reducer: AnyReduceConfig,
    /// Where.
    pub stage: Stage,
}

impl ReduceAt {
    /// A reducer in the middle of `depth` blocks, PatchMerger's place: before the block, or, where it must see the
    /// attention, behind that of the block.
    pub fn middle(reducer: AnyReduceConfig, depth: usize) -> Self {
        let middle = depth / 2;
        let stage = match reducer.sees() {
            Sees::Tokens => Stage::BeforeBlock(middle),
            Sees::Keys | Sees::ClassScores => Stage::AfterAttention(middle),
        };
        Self { reducer, stage }
    }

    /// The same reducer, each with parameters of its own if it has some, in each of `depth` blocks, behind the attention:
    /// ToMe's places.
    pub fn every(reducer: &AnyReduceConfig, depth: usize) -> Vec<Self> {
        Self::each(reducer, (0..depth).map(Stage::AfterAttention))
    }

    /// The same reducer at each of `stages`: for EViT behind the attention of blocks 3, 6 and 9 of 12, for DynamicViT
    /// before them.
    pub fn each(reducer: &AnyReduceConfig, stages: impl IntoIterator<Item = Stage>) -> Vec<Self> {
        let at = |stage| Self {
            reducer: reducer.clone(),
            stage,
        };
        stages.into_iter().map(at).collect()
    }

    /// The module, for `depth` blocks.
    pub(crate) fn try_init(&self, depth: usize, device: &Device) -> Result<AnyReduce, Error> {
        let block = self.stage.block();
        if block >= depth {
            return Err(Error::ReduceBlock { depth, got: block });
        }
        let reduce = self.reducer.try_init(device)?;
        let before = matches!(self.stage, Stage::BeforeBlock(_));
        if before && reduce.sees() != Sees::Tokens {
            return Err(Error::ReduceSees {
                sees: reduce.sees(),
            });
        }
        Ok(reduce)
    }
}
