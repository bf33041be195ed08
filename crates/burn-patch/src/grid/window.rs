//! Windows: size, step and padding.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::nonzero::nonzero;

/// What to do with rows and columns at the bottom and right that no window reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Remainder {
    /// Refuse such an image.
    #[default]
    Reject,
    /// Add zeros at the right and bottom until the last window fits (timm's `dynamic_img_pad`).
    Pad,
    /// Leave them unread, as a convolution does.
    Floor,
}

/// Size, step and zero padding of the windows that become tokens, each `[vertical, horizontal]` in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Size.
    pub kernel: [usize; 2],
    /// Step from one window to the next.
    pub stride: [usize; 2],
    /// Zeros above and to the left.
    pub pad_before: [usize; 2],
    /// Zeros below and to the right.
    pub pad_after: [usize; 2],
    /// What to do with unread rows and columns.
    pub remainder: Remainder,
}

impl Window {
    /// Non-overlapping windows: stride equals size, no padding.
    pub fn patch(size: [usize; 2], remainder: Remainder) -> Self {
        Self {
            kernel: size,
            stride: size,
            pad_before: [0, 0],
            pad_after: [0, 0],
            remainder,
        }
    }

    /// Windows with the same padding on both sides, as in a convolution.
    pub fn symmetric(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Self {
        Self {
            kernel,
            stride,
            pad_before: padding,
            pad_after: padding,
            remainder: Remainder::Floor,
        }
    }

    /// Windows that give `⌈size / stride⌉` tokens per axis for every image size.
    ///
    /// The padding is `kernel − 1` in all, the smaller half first, since
    /// `⌊(H + k − 1 − k)/s⌋ + 1 = ⌊(H − 1)/s⌋ + 1 = ⌈H/s⌉`. For odd kernels it is the symmetric
    /// `(k − 1)/2` of PVTv2 and SegFormer.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty kernel.
    pub fn ceil(kernel: [usize; 2], stride: [usize; 2]) -> Result<Self, Error> {
        nonzero("kernel", &kernel)?;
        let before = kernel.map(|k| (k - 1) / 2);
        Ok(Self {
            kernel,
            stride,
            pad_before: before,
            pad_after: [kernel[0] - 1 - before[0], kernel[1] - 1 - before[1]],
            remainder: Remainder::Floor,
        })
    }

    /// The windows of two steps one after another: this over the image, `next` over its grid.
    ///
    /// The receptive field `k = k₁ + s₁(k₂ − 1)`, step `s₁s₂` and padding `p₁ + s₁p₂` of two convolutions
    /// (Araujo et al., [Computing receptive fields](https://distill.pub/2019/computing-receptive-fields/), 2019).
    /// Since `⌊⌊x/a⌋/b⌋ = ⌊x/(ab)⌋`, it has as many rows and columns as the two steps. The remainder is left
    /// unread ([`Remainder::Floor`]).
    ///
    /// ```
    /// use burn_patch::grid::Window;
    ///
    /// let half = Window::symmetric([3, 3], [2, 2], [1, 1]);
    /// let quarter = half.then(&half);
    /// assert_eq!((quarter.kernel, quarter.stride, quarter.pad_before), ([7, 7], [4, 4], [3, 3]));
    /// ```
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let along =
            |step: fn(&Self, &Self, usize) -> usize| [0, 1].map(|axis| step(self, next, axis));
        Self {
            kernel: along(|one, two, axis| {
                one.kernel[axis] + one.stride[axis] * two.kernel[axis].saturating_sub(1)
            }),
            stride: along(|one, two, axis| one.stride[axis] * two.stride[axis]),
            pad_before: along(|one, two, axis| {
                one.pad_before[axis] + one.stride[axis] * two.pad_before[axis]
            }),
            pad_after: along(|one, two, axis| {
                one.pad_after[axis] + one.stride[axis] * two.pad_after[axis]
            }),
            remainder: Remainder::Floor,
        }
    }
}
