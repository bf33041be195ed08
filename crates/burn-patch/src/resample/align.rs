//! How the cells of a source and of its resized copy lie upon each other.

use serde::{Deserialize, Serialize};

/// Where the centre of cell `i` of `to` cells lies among `from` cells, whose own centres are at 0, 1, ….
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Align {
    /// Both cover the same area, `(i + ½)·from/to − ½`: PyTorch's `align_corners=False`.
    #[default]
    Edges,
    /// The first and the last centres coincide, `i·(from − 1)/(to − 1)`: PyTorch's `align_corners=True`,
    /// `scipy.ndimage.zoom`. One cell alone is the first.
    Corners,
    /// As [`Edges`](Self::Edges) with the scale of a copy that is larger by this fraction of a cell,
    /// `(i + ½)·from/(to + offset) − ½`: DINOv2's `interpolate_offset`.
    Offset(f64),
}

impl Align {
    /// Cells of the source per cell of the copy, and where the copy's first centre lies.
    pub(crate) fn step_and_start(self, from: usize, to: usize) -> [f64; 2] {
        let centred = |step: f64| [step, 0.5 * step - 0.5];
        match self {
            Self::Edges => centred(from as f64 / to as f64),
            Self::Offset(offset) => centred(from as f64 / (to as f64 + offset)),
            Self::Corners => [(from - 1) as f64 / (to.max(2) - 1) as f64, 0.0],
        }
    }
}
