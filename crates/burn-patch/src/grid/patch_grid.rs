//! Windows laid over an image.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::nonzero::nonzero;
use crate::grid::window::{Remainder, Window};

impl Window {
    /// The grid of windows over an image of `size` (`[height, width]` in pixels).
    ///
    /// Per axis `⌊(H + p − k)/s⌋ + 1` windows, with `p` the padding of both sides together
    /// (the output size of PyTorch's `Conv2d`), one more under [`Remainder::Pad`] where pixels
    /// would go unread.
    ///
    /// # Errors
    ///
    /// Zero sizes, a padded image smaller than a window, unread pixels under
    /// [`Remainder::Reject`], and overflow.
    pub fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        nonzero("image size in px", &size)?;
        nonzero("kernel", &self.kernel)?;
        nonzero("stride", &self.stride)?;
        let axes = [self.axis(size, 0)?, self.axis(size, 1)?];
        let left = axes.map(|axis| axis.unread);
        if self.remainder == Remainder::Reject && left != [0, 0] {
            return Err(Error::Remainder {
                got: size,
                left,
                kernel: self.kernel,
                stride: self.stride,
            });
        }
        let [rows, cols] = axes.map(|axis| axis.windows);
        rows.checked_mul(cols).ok_or_else(|| Error::Overflow {
            what: "rows × cols",
            got: vec![rows, cols],
        })?;
        Ok(PatchGrid {
            size,
            frames: 1,
            rows,
            cols,
            window: Self {
                pad_after: axes.map(|axis| axis.pad_after),
                ..*self
            },
        })
    }

    fn axis(&self, size: [usize; 2], axis: usize) -> Result<Axis, Error> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let overflow = || Error::Overflow {
            what: "image size + padding",
            got: vec![
                size[axis],
                self.pad_before[axis],
                self.pad_after[axis],
                stride,
            ],
        };
        let end = size[axis]
            .checked_add(self.pad_before[axis])
            .ok_or_else(overflow)?;
        let padded = end.checked_add(self.pad_after[axis]).ok_or_else(overflow)?;
        // A whole further window must be representable.
        padded
            .checked_add(kernel)
            .and_then(|sum| sum.checked_add(stride))
            .ok_or_else(overflow)?;
        let windows = match padded.checked_sub(kernel) {
            Some(room) => room / stride + 1,
            None if self.remainder == Remainder::Pad => 1,
            None => {
                return Err(Error::SmallerThanPatch {
                    got: size,
                    kernel: self.kernel,
                });
            }
        };
        let read = (windows - 1) * stride + kernel;
        let unread = end.saturating_sub(read);
        if self.remainder != Remainder::Pad {
            return Ok(Axis {
                windows,
                unread,
                pad_after: self.pad_after[axis],
            });
        }
        let windows = windows + unread.div_ceil(stride);
        let read = (windows - 1) * stride + kernel;
        Ok(Axis {
            windows,
            unread: 0,
            pad_after: read.saturating_sub(end).max(self.pad_after[axis]),
        })
    }
}

#[derive(Clone, Copy)]
struct Axis {
    windows: usize,
    unread: usize,
    pad_after: usize,
}

/// A grid of windows over an image: `rows × cols` tokens in row-major order, or over a clip, frame after frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchGrid {
    /// Image size, `[height, width]` in pixels, before padding.
    pub size: [usize; 2],
    /// Frames (or groups of frames, where a window spans several) one after the other; 1 for an image.
    #[serde(default = "one")]
    pub frames: usize,
    /// Windows per column.
    pub rows: usize,
    /// Windows per row.
    pub cols: usize,
    /// The windows, with the padding that this image needed.
    pub window: Window,
}

fn one() -> usize {
    1
}

impl PatchGrid {
    /// The same windows over each of `frames` frames.
    #[must_use]
    pub fn over_frames(self, frames: usize) -> Self {
        Self { frames, ..self }
    }

    /// Centres of all cells in their order, each `[frame, y, x]`: `y` and `x` in pixels of the unpadded image.
    pub fn centers(&self) -> impl Iterator<Item = [f32; 3]> {
        let cells = self.rows * self.cols;
        (0..self.tokens()).map(move |index| {
            let cell = index % cells;
            let [y, x] = self.center_px(cell / self.cols, cell % self.cols);
            [(index / cells) as f32, y, x]
        })
    }

    /// Number of tokens, `frames · rows · cols`.
    pub fn tokens(&self) -> usize {
        self.frames * self.rows * self.cols
    }

    /// Values per window, `channels · kernel height · kernel width`.
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`].
    pub fn values(&self, channels: usize) -> Result<usize, Error> {
        let [kh, kw] = self.window.kernel;
        channels
            .checked_mul(kh)
            .and_then(|n| n.checked_mul(kw))
            .ok_or_else(|| Error::Overflow {
                what: "channels × kernel",
                got: vec![channels, kh, kw],
            })
    }

    /// The grid of `next` laid over the cells of this one, its windows in pixels of the image
    /// ([`Window::then`]). Padding that `next` adds at the right and bottom is part of them.
    ///
    /// # Errors
    ///
    /// Those of [`Window::layout`], with sizes in pixels.
    ///
    /// ```
    /// use burn_patch::grid::{Remainder, Window};
    ///
    /// let grid = Window::patch([4, 4], Remainder::Reject).layout([20, 28])?; // 5×7 cells
    /// let merged = grid.then(&Window::patch([2, 2], Remainder::Pad))?;
    /// assert_eq!((merged.rows, merged.cols), (3, 4));
    /// assert_eq!(merged.window.kernel, [8, 8]);
    /// assert_eq!(merged.center_px(2, 3), [20.0, 28.0]);
    /// # Ok::<(), burn_patch::Error>(())
    /// ```
    pub fn then(&self, next: &Window) -> Result<Self, Error> {
        let step = self.window.stride;
        let over = next.layout([self.rows, self.cols]);
        let over = over.map_err(|error| {
            let Window { kernel, stride, .. } = self.window.then(next);
            match error {
                Error::Remainder { left, .. } => Error::Remainder {
                    got: self.size,
                    left: [left[0] * step[0], left[1] * step[1]],
                    kernel,
                    stride,
                },
                Error::SmallerThanPatch { .. } => Error::SmallerThanPatch {
                    got: self.size,
                    kernel,
                },
                other => other,
            }
        })?;
        Ok(Self {
            size: self.size,
            frames: self.frames,
            rows: over.rows,
            cols: over.cols,
            window: self.window.then(&over.window),
        })
    }

    /// Centre of the window at `row`, `col`: `[y, x]` in pixels of the unpadded image.
    pub fn center_px(&self, row: usize, col: usize) -> [f32; 2] {
        let along = |axis: usize, index: usize| {
            let window = &self.window;
            (index * window.stride[axis]) as f32 - window.pad_before[axis] as f32
                + window.kernel[axis] as f32 / 2.0
        };
        [along(0, row), along(1, col)]
    }

    /// Whether there is padding on any side.
    pub fn is_padded(&self) -> bool {
        let Window {
            pad_before,
            pad_after,
            ..
        } = self.window;
        [pad_before, pad_after] != [[0, 0]; 2]
    }

    /// How many windows read each row, and each column, of the image; pixel `(y, x)` is read `rows[y]·cols[x]` times.
    ///
    /// ```
    /// use burn_patch::grid::Window;
    ///
    /// let grid = Window::symmetric([3, 2], [2, 2], [1, 0]).layout([4, 5]).unwrap();
    /// let [rows, cols] = grid.coverage();
    /// assert_eq!((rows, cols), (vec![1, 2, 1, 1], vec![1, 1, 1, 1, 0]));
    /// ```
    pub fn coverage(&self) -> [Vec<usize>; 2] {
        [0, 1].map(|axis| {
            let windows = [self.rows, self.cols][axis];
            let (kernel, stride) = (self.window.kernel[axis], self.window.stride[axis]);
            let mut counts = vec![0; self.size[axis]];
            for first in (0..windows).map(|window| window * stride) {
                for padded in first..first + kernel {
                    let place = padded.checked_sub(self.window.pad_before[axis]);
                    if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
                        *count += 1;
                    }
                }
            }
            counts
        })
    }

    /// Whether the windows neither overlap nor skip pixels and start at the image's corner.
    pub fn is_partition(&self) -> bool {
        self.window.kernel == self.window.stride && self.window.pad_before == [0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::vit(Window::patch([16, 16], Remainder::Reject), [224, 224], [14, 14])]
    #[case::seed_2b_padding_gives_fifteen(Window::symmetric([16, 16], [16, 16], [8, 8]), [224, 224], [15, 15])]
    #[case::seed_floor_half_loses_a_row(Window::symmetric([7, 7], [4, 4], [1, 1]), [224, 224], [55, 55])]
    #[case::pvt_v2(Window::symmetric([7, 7], [4, 4], [3, 3]), [33, 47], [9, 12])]
    #[case::cvt(Window::symmetric([7, 7], [4, 4], [2, 2]), [224, 224], [56, 56])]
    #[case::rectangle(Window::patch([8, 16], Remainder::Reject), [32, 48], [4, 3])]
    #[case::pad(Window::patch([8, 16], Remainder::Pad), [30, 45], [4, 3])]
    #[case::floor(Window::patch([8, 16], Remainder::Floor), [30, 45], [3, 2])]
    #[case::pad_smaller_than_patch(Window::patch([8, 16], Remainder::Pad), [3, 5], [1, 1])]
    fn windows_per_axis(
        #[case] window: Window,
        #[case] size: [usize; 2],
        #[case] want: [usize; 2],
    ) {
        let grid = window.layout(size).unwrap();
        assert_eq!([grid.rows, grid.cols], want);
    }

    #[test]
    fn ceil_windows_give_ceil_of_size_over_stride_for_every_kernel() {
        for kernel in 1..9 {
            for stride in 1..=kernel {
                let window = Window::ceil([kernel, 3], [stride, 2]).unwrap();
                for height in 1..40 {
                    let grid = window.layout([height, 5]).unwrap();
                    assert_eq!(
                        grid.rows,
                        height.div_ceil(stride),
                        "k {kernel} s {stride} h {height}"
                    );
                }
            }
        }
    }

    #[test]
    fn two_steps_have_the_grid_of_their_composition() {
        let steps = [(3, 2, 1), (7, 4, 3), (2, 2, 0), (3, 1, 1), (1, 3, 0)]
            .map(|(k, s, p)| Window::symmetric([k, 2], [s, 1], [p, 0]));
        for (one, two) in steps
            .iter()
            .flat_map(|one| steps.iter().map(move |two| (one, two)))
        {
            for height in 7..40 {
                let middle = one.layout([height, 9]).unwrap();
                let Ok(end) = two.layout([middle.rows, middle.cols]) else {
                    continue;
                };
                let composed = one.then(two).layout([height, 9]).unwrap();
                assert_eq!([composed.rows, composed.cols], [end.rows, end.cols]);
            }
        }
    }

    #[test]
    fn padding_policy_reads_every_pixel() {
        for (kernel, stride) in [(4, 4), (7, 4), (3, 2)] {
            for height in 1..30 {
                let window = Window {
                    remainder: Remainder::Pad,
                    ..Window::symmetric([kernel; 2], [stride; 2], [1, 1])
                };
                let grid = window.layout([height, 9]).unwrap();
                assert!((grid.rows - 1) * stride + kernel > height);
                let padded = height + 1 + grid.window.pad_after[0];
                assert_eq!((padded - kernel) / stride + 1, grid.rows);
            }
        }
    }

    #[test]
    fn rejected_image_names_got_and_expected() {
        let error = Window::patch([16, 16], Remainder::Reject)
            .layout([225, 224])
            .unwrap_err();
        assert_eq!(
            error,
            Error::Remainder {
                got: [225, 224],
                left: [1, 0],
                kernel: [16, 16],
                stride: [16, 16]
            }
        );
        assert!(format!("{error}").contains("[225, 224]"));
    }

    #[rstest]
    #[case::image([0, 4], [2, 2], [2, 2])]
    #[case::kernel([4, 4], [0, 2], [2, 2])]
    #[case::stride([4, 4], [2, 2], [2, 0])]
    fn zero_is_an_error(
        #[case] size: [usize; 2],
        #[case] kernel: [usize; 2],
        #[case] stride: [usize; 2],
    ) {
        let error = Window::symmetric(kernel, stride, [0, 0])
            .layout(size)
            .unwrap_err();
        assert!(matches!(error, Error::Zero { .. }));
    }

    #[test]
    fn what_does_not_fit_over_a_grid_is_said_in_pixels() {
        let grid = Window::patch([4, 4], Remainder::Reject)
            .layout([20, 24])
            .unwrap();
        let patch = Window::patch([2, 2], Remainder::Reject);
        let error = grid.then(&patch).unwrap_err();
        assert_eq!(
            error,
            Error::Remainder {
                got: [20, 24],
                left: [4, 0],
                kernel: [8, 8],
                stride: [8, 8]
            }
        );
    }

    #[test]
    fn overflow_is_an_error() {
        let huge = Window::symmetric([2, 2], [1, 1], [usize::MAX, 0]).layout([2, 2]);
        assert!(matches!(huge, Err(Error::Overflow { .. })));
        let many = Window::patch([1, 1], Remainder::Reject).layout([usize::MAX / 2, 3]);
        assert!(matches!(many, Err(Error::Overflow { .. })));
    }

    #[test]
    fn centers_lie_in_unpadded_pixels() {
        let grid = Window::symmetric([7, 7], [4, 4], [3, 3])
            .layout([32, 32])
            .unwrap();
        assert_eq!(grid.center_px(0, 1), [0.5, 4.5]);
    }
}
