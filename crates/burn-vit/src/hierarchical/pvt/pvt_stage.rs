//! A stage of PVT v2.

use burn::module::Module;
use burn_patch::Tokens;
use burn_patch::layers::LayerNorm;

use crate::hierarchical::pvt::pvt_block::PvtBlock;

/// Blocks on one grid, and a norm.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::PvtConfig;
///
/// let device = Device::flex();
/// let pvt = PvtConfig::new([8; 4], [1; 4], [1; 4]).init(&device);
/// let images = Tensor::<4>::zeros([1, 3, 64, 64], &device);
/// let tokens = pvt.patch_embed.forward_levels(images).remove(0);
/// assert_eq!(pvt.stages[0].forward(tokens).embeddings().dims(), [1, 256, 8]);
/// ```
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
