use core::ops::Range;

use super::Real;
use super::block::add;
use crate::grid::PatchGrid;

/// The windows to read from a batch of images.
pub(super) struct Windows<'a> {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) grid: &'a PatchGrid,
    /// Cells `[batch, kept]` of the grid; all of them if absent.
    pub(super) cells: Option<Vec<usize>>,
}

/// Where a window starts: its image, and its first pixel, which padding may put outside.
struct Place {
    image: usize,
    y: isize,
    x: isize,
}

impl Windows<'_> {
    /// Windows of all images together.
    pub(super) fn count(&self) -> usize {
        self.batch * self.per_image()
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

    /// Copies the windows of `range` from `images` into the rows of `buffer`, zeros where padding is.
    pub(super) fn gather<T: Real>(&self, images: &[T], range: Range<usize>, buffer: &mut [T]) {
        // A run's length known at compile time makes its copy two or three moves.
        match self.grid.window.kernel[1] {
            1 => self.gather_runs::<T, 1>(images, range, buffer),
            2 => self.gather_runs::<T, 2>(images, range, buffer),
            3 => self.gather_runs::<T, 3>(images, range, buffer),
            4 => self.gather_runs::<T, 4>(images, range, buffer),
            7 => self.gather_runs::<T, 7>(images, range, buffer),
            8 => self.gather_runs::<T, 8>(images, range, buffer),
            14 => self.gather_runs::<T, 14>(images, range, buffer),
            16 => self.gather_runs::<T, 16>(images, range, buffer),
            _ => self.gather_runs::<T, 0>(images, range, buffer),
        }
    }

    /// `KW` is the window's width, 0 if it is known only at run time.
    fn gather_runs<T: Real, const KW: usize>(
        &self,
        images: &[T],
        range: Range<usize>,
        buffer: &mut [T],
    ) {
        for (window, out) in range.zip(buffer.chunks_exact_mut(self.len())) {
            let place = self.place(window);
            let image = &images[place.image * self.pixels()..][..self.pixels()];
            if self.lies_inside(&place) {
                self.copy_inside::<T, KW>(image, &place, out);
            } else {
                out.fill(T::default());
                self.for_clipped_runs(&place, |pixels, values| {
                    out[values].copy_from_slice(&image[pixels]);
                });
            }
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

    fn copy_inside<T: Real, const KW: usize>(&self, image: &[T], place: &Place, out: &mut [T]) {
        let [height, width] = self.grid.size;
        let [kh, kw] = self.grid.window.kernel;
        let kw = if KW == 0 { kw } else { KW };
        let first = place.y as usize * width + place.x as usize;
        let mut runs = out.chunks_exact_mut(kw);
        for channel in 0..self.channels {
            let plane = &image[channel * height * width + first..];
            for (row, run) in runs.by_ref().take(kh).enumerate() {
                run.copy_from_slice(&plane[row * width..][..kw]);
            }
        }
    }

    /// Calls `visit` with the part of each run that lies in the image, as pixels and as values.
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

    fn lies_inside(&self, place: &Place) -> bool {
        let [height, width] = self.grid.size;
        let [kh, kw] = self.grid.window.kernel;
        place.y >= 0
            && place.x >= 0
            && place.y as usize + kh <= height
            && place.x as usize + kw <= width
    }
}

/// The part of a window of `len` at `start` that lies in `0..size`, counted from the window's start.
fn clip(start: isize, len: usize, size: usize) -> Range<usize> {
    let from = (-start).clamp(0, len as isize);
    let to = (size as isize - start).clamp(from, len as isize);
    from as usize..to as usize
}
