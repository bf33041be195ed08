//! Which blocks attend within windows.

use serde::{Deserialize, Serialize};

/// Which blocks attend within [windows](crate::tokens::Windows) of the grid, and how large these are.
///
/// ```
/// use burn_patch::position::BlockWindows;
///
/// // SAM's ViT-B: 12 blocks, of which the third, sixth, ninth and last attend to the whole grid.
/// let windows = BlockWindows { size: [14, 14], global_every: 3 };
/// let global: Vec<usize> = (0..12).filter(|block| windows.of(*block).is_none()).collect();
/// assert_eq!(global, [2, 5, 8, 11]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockWindows {
    /// Cells of a window, `[rows, cols]`.
    pub size: [usize; 2],
    /// Each block that closes so many attends to the whole grid; 0: none does.
    #[serde(default)]
    pub global_every: usize,
}

impl BlockWindows {
    /// Size of the windows of block `block`, from 0; none if it attends to the whole grid.
    pub fn of(&self, block: usize) -> Option<[usize; 2]> {
        let global = self.global_every > 0 && (block + 1).is_multiple_of(self.global_every);
        (!global).then_some(self.size)
    }
}
