//! Which pixels a token stands for.

use burn_patch::grid::PatchGrid;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Which pixels each token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ReconstructedPatches {
    /// The cell of the embedding's steps: cells tile the image.
    #[default]
    Cells,
    /// The whole window that the token was embedded from, zeros where it reaches over the border. Where windows
    /// overlap, painting averages them ([`overlap_add`](burn_patch::ops::overlap_add)).
    Windows,
}

impl ReconstructedPatches {
    /// Size of what a token predicts, `[height, width]` in pixels.
    pub(crate) fn try_size(self, grid: &PatchGrid) -> Result<[usize; 2], Error> {
        match self {
            Self::Cells => {
                let patch = grid.window.stride;
                let tiled = [grid.rows * patch[0], grid.cols * patch[1]];
                if tiled != grid.size {
                    return Err(Error::Untiled {
                        expected: tiled,
                        got: grid.size,
                    });
                }
                Ok(patch)
            }
            Self::Windows => {
                let unread = grid.coverage().into_iter().flatten();
                match unread.filter(|count| *count == 0).count() {
                    0 => Ok(grid.window.kernel),
                    unread => Err(Error::Unread {
                        unread,
                        got: grid.size,
                    }),
                }
            }
        }
    }
}
