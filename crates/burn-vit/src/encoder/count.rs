//! How many tokens there are on the way through an encoder.

use burn_patch::grid::PatchGrid;
use burn_patch::reduce::{AnyReduce, Reduce};
use burn_patch::tokens::PlaceKind;

use crate::Error;

/// Patch tokens, and the grid of which they are all cells in row-major order, if they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) tokens: usize,
    pub(crate) grid: Option<PatchGrid>,
}

impl Count {
    /// What `reduce` leaves of them in a block.
    pub(crate) fn reduced(self, reduce: &AnyReduce, block: usize) -> Result<Self, Error> {
        let Some(grid) = self.grid else {
            let tokens = reduce.output(self.tokens, block)?;
            return Ok(Self { tokens, ..self });
        };
        Ok(match reduce.places(PlaceKind::Cells)? {
            PlaceKind::Cells => {
                let grid = reduce.grid(&grid)?;
                Self {
                    tokens: grid.tokens(),
                    grid: Some(grid),
                }
            }
            _ => Self {
                tokens: reduce.output(self.tokens, block)?,
                grid: None,
            },
        })
    }
}
