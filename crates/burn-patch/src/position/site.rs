//! Where a position encoding is to work.

use crate::grid::PatchGrid;
use crate::position::block_windows::BlockWindows;

/// What a position encoding must know of the encoder that it is built for.
///
/// ```
/// use burn_patch::position::Site;
///
/// let site = Site::new([14, 14], 192).with_prefix(1).with_blocks(12, 3);
/// assert_eq!((site.cells(), site.heads), (196, 3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// Grid `[frames, rows, cols]`; one frame for images.
    pub grid: [usize; 3],
    /// Width of the tokens.
    pub dim: usize,
    /// Prefix tokens (class, registers).
    pub prefix: usize,
    /// Blocks of the encoder.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Windows within which blocks attend; none: all attend to the whole grid.
    pub windows: Option<BlockWindows>,
}

impl Site {
    /// A grid of `[rows, cols]` and tokens of width `dim`, without prefix, one block of one head.
    pub fn new([rows, cols]: [usize; 2], dim: usize) -> Self {
        Self {
            grid: [1, rows, cols],
            dim,
            prefix: 0,
            depth: 1,
            heads: 1,
            windows: None,
        }
    }

    /// The grid of an embedding and tokens of width `dim`.
    pub fn over(grid: &PatchGrid, dim: usize) -> Self {
        Self {
            grid: [grid.frames, grid.rows, grid.cols],
            ..Self::new([1, 1], dim)
        }
    }

    /// With `prefix` tokens before the patch tokens.
    #[must_use]
    pub fn with_prefix(self, prefix: usize) -> Self {
        Self { prefix, ..self }
    }

    /// With `depth` blocks of `heads` attention heads.
    #[must_use]
    pub fn with_blocks(self, depth: usize, heads: usize) -> Self {
        Self {
            depth,
            heads,
            ..self
        }
    }

    /// With windows within which some blocks attend.
    #[must_use]
    pub fn with_windows(self, windows: Option<BlockWindows>) -> Self {
        Self { windows, ..self }
    }

    /// What the attention of block `block` reaches, `[rows, cols]`: a window, or the grid.
    pub fn attended(&self, block: usize) -> [usize; 2] {
        let [_, rows, cols] = self.grid;
        let window = self.windows.and_then(|windows| windows.of(block));
        window.unwrap_or([rows, cols])
    }

    /// Cells of the grid.
    pub fn cells(&self) -> usize {
        self.grid.iter().product()
    }
}
