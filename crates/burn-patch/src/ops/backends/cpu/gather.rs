//! Windows copied out of pictures into a buffer, and added back into them.

use core::ops::Range;

use super::Real;
use super::block::add;
use super::vectorized::vectorized;
use crate::grid::{PatchGrid, Window};

/// A value of a picture as it is stored, to be computed with as `T`.
pub(super) trait Pixel<T>: Copy + Sync {
    fn copy(pixels: &[Self], values: &mut [T]);
}

impl<T: Real> Pixel<T> for T {
    #[inline(always)]
    fn copy(pixels: &[T], values: &mut [T]) {
        values.copy_from_slice(pixels);
    }
}

impl<T: Real> Pixel<T> for u8 {
    #[inline(always)]
    fn copy(pixels: &[u8], values: &mut [T]) {
        for (value, &pixel) in values.iter_mut().zip(pixels) {
            *value = T::of_byte(pixel);
        }
    }
}

/// Pictures, where their windows are, and what fills the part of a window that is beyond the border.
pub(super) struct Source<'a, S, T> {
    pub(super) windows: Windows,
    pub(super) pixels: &'a [S],
    /// A window of padding; zeros if absent.
    pub(super) padding: Option<Vec<T>>,
}

/// The windows to read from a batch of images.
pub(super) struct Windows {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) grid: PatchGrid,
    /// Cells `[batch, kept]` of the grid; all of them if absent.
    pub(super) cells: Option<Vec<usize>>,
}

/// Where a window starts: its image, and its first pixel, which padding may put outside.
struct Place {
    image: usize,
    y: isize,
    x: isize,
}

impl Windows {
    /// Windows of all images together.
    pub(super) fn count(&self) -> usize {
        self.batch * self.per_image()
    }

    /// The same windows over pictures that store the channels of a pixel side by side: one channel of a picture
    /// that is as many times wider. Values of a window then come in the order (row, column, channel).
    pub(super) fn interleaved(self) -> Self {
        let widen = |[vertical, horizontal]: [usize; 2]| [vertical, horizontal * self.channels];
        let window = self.grid.window;
        let window = Window {
            kernel: widen(window.kernel),
            stride: widen(window.stride),
            pad_before: widen(window.pad_before),
            pad_after: widen(window.pad_after),
            ..window
        };
        Self {
            channels: 1,
            grid: PatchGrid {
                size: widen(self.grid.size),
                window,
                ..self.grid
            },
            ..self
        }
    }

    /// Values per window.
    pub(super) fn len(&self) -> usize {
        let [kh, kw] = self.grid.window.kernel;
        self.channels * kh * kw
    }

    /// Values per image.
    pub(super) fn pixels(&self) -> usize {
        let [height, width] = self.grid.size;
        self.channels * height * width
    }

    pub(super) fn per_image(&self) -> usize {
        match &self.cells {
            Some(cells) => cells.len().checked_div(self.batch).unwrap_or(0),
            None => self.grid.tokens(),
        }
    }

    /// Adds windows, the rows of `values` that start at `first`, back to one image: the adjoint of
    /// gathering.
    pub(super) fn scatter<T: Real>(&self, values: &[T], first: usize, image: &mut [T]) {
        for (offset, values) in values.chunks_exact(self.len()).enumerate() {
            self.for_clipped_runs(&self.place(first + offset), |pixels, run| {
                add(&mut image[pixels], &values[run]);
            });
        }
    }

    /// Calls `visit` with the part of each run that lies in the image, as pixels and as values.
    #[inline(always)]
    fn for_clipped_runs(&self, place: &Place, mut visit: impl FnMut(Range<usize>, Range<usize>)) {
        let [height, width] = self.grid.size;
        let [kh, kw] = self.grid.window.kernel;
        let rows = clip(place.y, kh, height);
        let cols = clip(place.x, kw, width);
        if cols.is_empty() {
            return;
        }
        for channel in 0..self.channels {
            for row in rows.clone() {
                let y = (place.y + row as isize) as usize;
                let x = (place.x + cols.start as isize) as usize;
                let pixel = (channel * height + y) * width + x;
                let value = (channel * kh + row) * kw;
                visit(
                    pixel..pixel + cols.len(),
                    value + cols.start..value + cols.end,
                );
            }
        }
    }

    #[inline(always)]
    fn place(&self, window: usize) -> Place {
        let per_image = self.per_image();
        let cell = match &self.cells {
            Some(cells) => cells[window],
            None => window % per_image,
        };
        let [top, left] = self.grid.window.pad_before;
        let [down, right] = self.grid.window.stride;
        Place {
            image: window / per_image,
            y: (cell / self.grid.cols * down) as isize - top as isize,
            x: (cell % self.grid.cols * right) as isize - left as isize,
        }
    }

    #[inline(always)]
    fn lies_inside(&self, place: &Place) -> bool {
        let [height, width] = self.grid.size;
        let [kh, kw] = self.grid.window.kernel;
        place.y >= 0
            && place.x >= 0
            && place.y as usize + kh <= height
            && place.x as usize + kw <= width
    }
}

impl<S: Pixel<T>, T: Real> Source<'_, S, T> {
    /// Copies the windows of `range` into the rows of `buffer`.
    pub(super) fn gather(&self, range: Range<usize>, buffer: &mut [T]) {
        // A run's length known at compile time makes its copy two or three moves.
        match self.windows.grid.window.kernel[1] {
            1 => self.gather_runs::<1>(range, buffer),
            2 => self.gather_runs::<2>(range, buffer),
            3 => self.gather_runs::<3>(range, buffer),
            4 => self.gather_runs::<4>(range, buffer),
            7 => self.gather_runs::<7>(range, buffer),
            8 => self.gather_runs::<8>(range, buffer),
            14 => self.gather_runs::<14>(range, buffer),
            16 => self.gather_runs::<16>(range, buffer),
            48 => self.gather_runs::<48>(range, buffer),
            _ => self.gather_runs::<0>(range, buffer),
        }
    }

    /// `KW` is the window's width, 0 if it is known only at run time.
    fn gather_runs<const KW: usize>(&self, range: Range<usize>, buffer: &mut [T]) {
        let windows = &self.windows;
        vectorized(
            #[inline(always)]
            || {
                let rows = buffer.chunks_exact_mut(windows.len());
                for (window, out) in range.clone().zip(rows) {
                    let place = windows.place(window);
                    let image = &self.pixels[place.image * windows.pixels()..][..windows.pixels()];
                    if windows.lies_inside(&place) {
                        self.copy_inside::<KW>(image, &place, out);
                    } else {
                        match &self.padding {
                            Some(padding) => out.copy_from_slice(padding),
                            None => out.fill(T::default()),
                        }
                        windows.for_clipped_runs(&place, |pixels, values| {
                            S::copy(&image[pixels], &mut out[values]);
                        });
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn copy_inside<const KW: usize>(&self, image: &[S], place: &Place, out: &mut [T]) {
        let windows = &self.windows;
        let [height, width] = windows.grid.size;
        let [kh, kw] = windows.grid.window.kernel;
        let kw = if KW == 0 { kw } else { KW };
        let first = place.y as usize * width + place.x as usize;
        let mut runs = out.chunks_exact_mut(kw);
        for channel in 0..windows.channels {
            let plane = &image[channel * height * width + first..];
            for (row, run) in runs.by_ref().take(kh).enumerate() {
                S::copy(&plane[row * width..][..kw], run);
            }
        }
    }
}

/// The part of a window of `len` at `start` that lies in `0..size`, counted from the window's start.
fn clip(start: isize, len: usize, size: usize) -> Range<usize> {
    let from = (-start).clamp(0, len as isize);
    let to = (size as isize - start).clamp(from, len as isize);
    from as usize..to as usize
}
