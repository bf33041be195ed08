//! A stage of Swin.

use burn::module::Module;

use burn_patch::Tokens;

use crate::hierarchical::swin::swin_block::SwinBlock;

/// Blocks on one grid.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::SwinConfig;
///
/// let device = Device::flex();
/// let swin = SwinConfig::new([16, 16], 8, vec![2], vec![2]).with_window([2, 2]).init(&device);
/// let tokens = swin.patch_embed.forward_levels(Tensor::<4>::zeros([1, 3, 16, 16], &device)).remove(0);
/// assert_eq!(swin.stages[0].forward(tokens).embeddings().dims(), [1, 16, 8]);
/// ```
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
