//! A stage of PVT v2.

use burn::module::Module;
use burn_patch::Tokens;
use burn_patch::layers::LayerNorm;

use crate::hierarchical::pvt::pvt_block::PvtBlock;

/// Blocks on one grid, and a norm.
#[derive(Module, Debug)]
pub struct PvtStage {
    /// The blocks.
    pub blocks: Vec<PvtBlock>,
    /// After them.
    pub norm: LayerNorm,
}

impl PvtStage {
    /// Runs the blocks.
    ///
    /// # Panics
    ///
    /// As a [block](PvtBlock::forward) does.
    pub fn forward(&self, tokens: Tokens) -> Tokens {
        let blocks = self.blocks.iter();
        let tokens = blocks.fold(tokens, |tokens, block| block.forward(tokens));
        tokens.map(|x| self.norm.forward(x))
    }
}
