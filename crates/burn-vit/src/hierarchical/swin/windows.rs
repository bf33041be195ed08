//! Windows of a grid, shifted or not.

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_patch::tokens::{Reach, Windows};

/// How a grid is cut into windows: rolled up and left by the shift, then split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShiftedWindows {
    /// Rows and columns of the grid.
    grid: [usize; 2],
    /// Rows and columns of a window.
    size: [usize; 2],
    shift: [usize; 2],
    windows: Windows,
}

impl ShiftedWindows {
    /// Windows of `size`, or of the grid along an axis that is no longer; shifted by half of them if so, but never along
    /// an axis with a single window.
    ///
    /// # Errors
    ///
    /// If the grid or a window is empty.
    pub(super) fn try_new(
        grid: [usize; 2],
        size: [usize; 2],
        shifted: bool,
    ) -> Result<Self, burn_patch::Error> {
        let half = size.map(|side| if shifted { side / 2 } else { 0 });
        let single = [0, 1].map(|axis| grid[axis] <= size[axis]);
        let size = [0, 1].map(|axis| size[axis].min(grid[axis]));
        Ok(Self {
            grid,
            size,
            shift: [0, 1].map(|axis| if single[axis] { 0 } else { half[axis] }),
            windows: Windows::try_new(grid, size)?,
        })
    }

    /// Rows and columns of a window.
    pub(super) fn size(&self) -> [usize; 2] {
        self.size
    }

    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.grid[axis].div_ceil(self.size[axis]))
    }

    fn shifted(&self) -> bool {
        self.shift != [0, 0]
    }

    /// `[batch, rows·cols, dim]` to `[batch·windows, cells of a window, dim]`.
    pub(super) fn split(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.windows.split(self.rolled(tokens, -1))
    }

    /// Back from windows to `[batch, rows·cols, dim]`.
    pub(super) fn join(&self, windows: Tensor<3>) -> Tensor<3> {
        self.rolled(self.windows.join(windows), 1)
    }

    /// The grid rolled by the shift, `way` −1: up and left, 1: down and right.
    fn rolled(&self, tokens: Tensor<3>, way: i64) -> Tensor<3> {
        if !self.shifted() {
            return tokens;
        }
        let ([rows, cols], [batch, count, dim]) = (self.grid, tokens.dims());
        let map = tokens.reshape([batch, rows, cols, dim]);
        let map = map.roll(&self.shift.map(|step| way * step as i64), &[1, 2]);
        map.reshape([batch, count, dim])
    }

    /// Who attends to whom in the windows of `batch` images: neighbours on the grid, not those that the roll brought
    /// together.
    pub(super) fn reach(&self, batch: usize, device: &Device) -> Reach {
        if !self.shifted() {
            return Reach::All;
        }
        let [down, right] = self.counts();
        let area = self.size[0] * self.size[1];
        let mut regions = Vec::with_capacity(batch * down * right * area);
        for _ in 0..batch {
            for (row, col) in (0..down).flat_map(|row| (0..right).map(move |col| (row, col))) {
                let cells = (0..area).map(|cell| [cell / self.size[1], cell % self.size[1]]);
                regions.extend(cells.map(|[y, x]| {
                    let y = self.part(0, row * self.size[0] + y);
                    3 * y + self.part(1, col * self.size[1] + x)
                }));
            }
        }
        let regions = TensorData::new(regions, [batch * down * right, area]);
        let regions = Tensor::<2, Int>::from_data(regions, device);
        Reach::Segments {
            queries: regions.clone(),
            keys: regions,
            spans: None,
        }
    }

    /// Which part of the rolled axis a cell lies in: 0 in all windows but the last, there 1 before the roll's seam and 2
    /// behind it.
    fn part(&self, axis: usize, cell: usize) -> i32 {
        let end = self.counts()[axis] * self.size[axis];
        i32::from(cell >= end - self.size[axis]) + i32::from(cell >= end - self.shift[axis])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn windows_joined_are_the_grid_again() {
        let device = Device::flex();
        for (size, shifted) in [([2, 3], false), ([4, 4], true), ([9, 2], true)] {
            let windows = ShiftedWindows::try_new([5, 7], size, shifted).unwrap();
            let tokens = Tensor::<3>::random([2, 35, 3], Distribution::Default, &device);
            let again = windows.join(windows.split(tokens.clone()));
            again.into_data().assert_eq(&tokens.into_data(), true);
        }
    }

    #[test]
    fn a_window_holds_its_cells_and_the_roll_starts_at_the_shift() {
        let device = Device::flex();
        let tokens = Tensor::<1, Int>::arange(0..16, &device)
            .float()
            .reshape([1, 16, 1]);
        let cut = |shifted| {
            let windows = ShiftedWindows::try_new([4, 4], [2, 2], shifted)
                .unwrap()
                .split(tokens.clone());
            windows.slice_dim(0, ..1).reshape([4]).into_data()
        };
        cut(false).assert_eq(&[0.0f32, 1.0, 4.0, 5.0].into(), false);
        cut(true).assert_eq(&[5.0f32, 6.0, 9.0, 10.0].into(), false);
    }

    #[test]
    fn what_the_roll_brings_together_stays_apart() {
        let windows = ShiftedWindows::try_new([4, 4], [2, 2], true).unwrap();
        let Reach::Segments { queries, .. } = windows.reach(1, &Device::flex()) else {
            panic!("shifted windows have regions")
        };
        let want = [[0, 0, 0, 0], [1, 2, 1, 2], [3, 3, 6, 6], [4, 5, 7, 8]];
        queries.into_data().assert_eq(&want.into(), false);
    }

    #[test]
    fn a_single_window_is_the_whole_axis_and_never_shifted() {
        let windows = ShiftedWindows::try_new([3, 8], [4, 4], true).unwrap();
        assert_eq!((windows.size(), windows.shift), ([3, 4], [0, 2]));
    }
}
