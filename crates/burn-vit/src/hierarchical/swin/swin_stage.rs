//! A stage of Swin.

use burn::module::Module;

use burn_patch::Tokens;

use crate::hierarchical::swin::swin_block::SwinBlock;

/// Blocks on one grid.
#[derive(Module, Debug)]
pub struct SwinStage {
    /// The blocks, every second one shifted.
    pub blocks: Vec<SwinBlock>,
}

impl SwinStage {
    /// Runs the blocks.
    ///
    /// # Panics
    ///
    /// As a [block](SwinBlock::forward) does.
    pub fn forward(&self, tokens: Tokens) -> Tokens {
        let blocks = self.blocks.iter();
        blocks.fold(tokens, |tokens, block| block.forward(tokens))
    }
}
