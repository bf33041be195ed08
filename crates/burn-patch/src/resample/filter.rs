//! The kernels that a table is resized by.

use serde::{Deserialize, Serialize};

use crate::resample::align::Align;

/// What weighs the cells around a place.
///
/// Those that smooth widen their kernel by the scale where the table shrinks, so that every cell counts; they drop the
/// taps beyond the border and divide by the sum of the rest. The others repeat the border.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Filter {
    /// The cell at `⌊i·from/to⌋`: PyTorch's `nearest`.
    Nearest,
    /// Between two cells linearly.
    Linear(Align),
    /// Between four cells by Keys' cubic with `a = −¾`: PyTorch's `bicubic`.
    Cubic(Align),
    /// A triangle one cell wide to each side, widened: PyTorch's `bilinear` with `antialias`.
    SmoothLinear,
    /// Keys' cubic with `a = −½`, widened: PyTorch's `bicubic` with `antialias`, Pillow's `BICUBIC`.
    SmoothCubic,
}

impl Filter {
    /// The kernel's value at a distance, before it is divided by the sum.
    pub(crate) fn weight(self, distance: f64) -> f64 {
        match self {
            Self::Nearest => f64::from(distance == 0.0),
            Self::Linear(_) | Self::SmoothLinear => (1.0 - distance.abs()).max(0.0),
            Self::Cubic(_) => cubic(distance.abs(), -0.75),
            Self::SmoothCubic => cubic(distance.abs(), -0.5),
        }
    }

    /// How cells lie upon each other.
    pub(crate) fn align(self) -> Align {
        match self {
            Self::Linear(align) | Self::Cubic(align) => align,
            Self::Nearest | Self::SmoothLinear | Self::SmoothCubic => Align::Edges,
        }
    }

    /// How far the kernel reaches to each side.
    pub(crate) fn radius(self) -> usize {
        match self {
            Self::Nearest => 0,
            Self::Linear(_) | Self::SmoothLinear => 1,
            Self::Cubic(_) | Self::SmoothCubic => 2,
        }
    }
}

/// Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), eq. 4.
fn cubic(x: f64, a: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
    } else {
        0.0
    }
}
