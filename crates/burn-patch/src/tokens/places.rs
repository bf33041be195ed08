//! Where tokens lie.

use burn::tensor::{Int, Tensor};

use crate::ops::gather_rows;

/// Where each patch token lies.
#[derive(Debug, Clone)]
pub enum Places {
    /// One token per cell of the grid, in row-major order.
    Cells,
    /// The grid's cells `[batch, tokens]`, as row-major indices.
    Picked(Tensor<2, Int>),
    /// Boxes off the grid, `[batch, tokens, 4]`: `[center y, center x, height, width]` in pixels.
    Boxes(Tensor<3>),
}

/// The kind of [`Places`], without the tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// One token per cell of the grid, in row-major order: a feature map.
    Cells,
    /// Some of the grid's cells, in any order.
    Picked,
    /// Boxes off the grid.
    Boxes,
}

impl Places {
    /// Its kind.
    pub fn kind(&self) -> PlaceKind {
        match self {
            Self::Cells => PlaceKind::Cells,
            Self::Picked(_) => PlaceKind::Picked,
            Self::Boxes(_) => PlaceKind::Boxes,
        }
    }

    /// Those of the tokens at `index` (`[batch, kept]`), in that order.
    pub(crate) fn select(self, index: &Tensor<2, Int>) -> Self {
        match self {
            Self::Cells => Self::Picked(index.clone()),
            Self::Picked(cells) => Self::Picked(cells.gather(1, index.clone())),
            Self::Boxes(boxes) => Self::Boxes(gather_rows(boxes, index.clone())),
        }
    }
}
