//! The grids that tokens came from.

use std::sync::Arc;

use crate::grid::PatchGrid;

/// The grids that tokens came from: integers on the host, so that positions and decoders need not read a tensor back.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// One grid for all images of the batch.
    Same(PatchGrid),
    /// A grid per image, or per segment of a pack. Images with fewer cells than the largest are padded at the end,
    /// and the padding is out of [`Reach`](crate::tokens::Reach).
    Each(Arc<[PatchGrid]>),
    /// A grid per segment of a [pack](crate::pack), where several images share a row: the number that a token has in
    /// [`Reach::Segments`](crate::tokens::Reach::Segments) is the index of its grid.
    Packed(Arc<[PatchGrid]>),
}

impl Layout {
    /// The grid of image `index`; in a pack, of segment `index`.
    ///
    /// # Panics
    ///
    /// If there is none of that index.
    pub fn of(&self, index: usize) -> &PatchGrid {
        match self {
            Self::Same(grid) => grid,
            Self::Each(grids) | Self::Packed(grids) => &grids[index],
        }
    }

    /// The grid that all images share; none where each has its own.
    pub fn shared(&self) -> Option<&PatchGrid> {
        match self {
            Self::Same(grid) => Some(grid),
            Self::Each(_) | Self::Packed(_) => None,
        }
    }

    /// The different grids, one for [`Layout::Same`].
    pub fn grids(&self) -> &[PatchGrid] {
        match self {
            Self::Same(grid) => core::slice::from_ref(grid),
            Self::Each(grids) | Self::Packed(grids) => grids,
        }
    }

    /// Cells of the largest grid.
    pub fn cells(&self) -> usize {
        self.grids()
            .iter()
            .map(PatchGrid::tokens)
            .max()
            .unwrap_or(0)
    }
}

impl From<PatchGrid> for Layout {
    fn from(grid: PatchGrid) -> Self {
        Self::Same(grid)
    }
}
