//! Windows of a grid, within which tokens attend.

use burn::tensor::ops::PadMode;
use burn::tensor::{Bool, Tensor};

use crate::Error;
use crate::grid::{Remainder, Window, nonzero};
use crate::ops::Reach;
use crate::or_panic::OrPanic;
use crate::tokens::tokens::Tokens;

/// Windows that lie side by side over the cells of a grid: tokens attend within their own.
///
/// Li et al., [ViTDet](https://arxiv.org/abs/2203.16527), section 3;
/// `segment_anything/modeling/image_encoder.py` (`window_partition`).
///
/// A grid that they do not divide is padded with zeros at the right and below. As in the sources, tokens attend to that
/// padding like to any token.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::tokens::Windows;
///
/// // Two rows of three cells in windows of two by two, the second half empty.
/// let windows = Windows::try_new([2, 3], [2, 2]).unwrap();
/// let cells = [[[1.0f32], [2.0], [3.0], [4.0], [5.0], [6.0]]];
/// let split = windows.split(Tensor::from_floats(cells, &Device::flex()));
/// let want = [[[1.0f32], [2.0], [4.0], [5.0]], [[3.0], [0.0], [6.0], [0.0]]];
/// split.clone().into_data().assert_eq(&want.into(), true);
/// windows.join(split).into_data().assert_eq(&cells.into(), true);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    grid: [usize; 2],
    size: [usize; 2],
}

impl Windows {
    /// Windows of `size` over a grid, both `[rows, cols]`.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or window.
    pub fn try_new(grid: [usize; 2], size: [usize; 2]) -> Result<Self, Error> {
        nonzero("grid", &grid)?;
        nonzero("attention window", &size)?;
        Ok(Self { grid, size })
    }

    /// Windows along rows and along columns.
    fn count(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.grid[axis].div_ceil(self.size[axis]))
    }

    /// Cells of a grid `[batch, rows·cols, dim]` as those of its windows, `[batch·windows, window's cells, dim]`.
    ///
    /// # Panics
    ///
    /// If there is not one value per cell.
    #[track_caller]
    pub fn split(&self, cells: Tensor<3>) -> Tensor<3> {
        let ([rows, cols], [height, width]) = (self.grid, self.size);
        let [batch, count, dim] = cells.dims();
        assert_eq!(count, rows * cols, "tokens and cells of the windows' grid");
        let [down, across] = self.count();
        let map = cells.reshape([batch, rows, cols, dim]);
        let map = match [down * height - rows, across * width - cols] {
            [0, 0] => map,
            [below, right] => {
                let padding = [(0, 0), (0, below), (0, right), (0, 0)];
                map.pad(padding, PadMode::Constant(0.0))
            }
        };
        let windows = map.reshape([batch, down, height, across, width, dim]);
        windows
            .swap_dims(2, 3)
            .reshape([batch * down * across, height * width, dim])
    }

    /// The way back from [`split`](Self::split).
    ///
    /// # Panics
    ///
    /// If there are not as many windows and cells.
    #[track_caller]
    pub fn join(&self, windows: Tensor<3>) -> Tensor<3> {
        let ([rows, cols], [height, width]) = (self.grid, self.size);
        let [down, across] = self.count();
        let [count, cells, dim] = windows.dims();
        let fits = count.is_multiple_of(down * across) && cells == height * width;
        assert!(
            fits,
            "windows of {:?} over {:?}, got {count} of {cells} cells",
            self.size, self.grid
        );
        let batch = count / (down * across);
        let map = windows.reshape([batch, down, across, height, width, dim]);
        let map = map
            .swap_dims(2, 3)
            .reshape([batch, down * height, across * width, dim]);
        let map = map.slice_dim(1, ..rows).slice_dim(2, ..cols);
        map.reshape([batch, rows * cols, dim])
    }

    /// Who reaches whom within the windows; what pads them is reached.
    ///
    /// # Panics
    ///
    /// If tokens have segments.
    #[track_caller]
    pub fn reach(&self, reach: Reach) -> Reach {
        match reach {
            Reach::All => Reach::All,
            Reach::Valid(valid) => {
                let padding = valid.bool_not().float().unsqueeze_dim::<3>(2);
                let padding = self.split(padding).squeeze_dim::<2>(2);
                let valid: Tensor<2, Bool> = padding.lower_elem(0.5);
                Reach::Valid(valid)
            }
            Reach::Segments { .. } => panic!("segments have no windows"),
        }
    }

    /// Each window's tokens as if they were an image.
    ///
    /// # Panics
    ///
    /// If there is not one token per cell of the grid, or there are prefix tokens.
    #[track_caller]
    pub fn tokens(&self, tokens: &Tokens) -> Tokens {
        assert_eq!(tokens.prefix(), 0, "prefix tokens beside windows");
        let [down, across] = tokens.grid().window.stride;
        let size = [self.size[0] * down, self.size[1] * across];
        let grid = Window::patch([down, across], Remainder::Reject).layout(size);
        Tokens::from_grid(self.split(tokens.embeddings()), grid.or_panic())
            .with_reach(self.reach(tokens.reach().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn each_window_has_its_cells_in_row_major_order() {
        let device = Device::flex();
        let cells = Tensor::<3>::random([2, 20, 3], Distribution::Default, &device);
        let windows = Windows::try_new([4, 5], [2, 3]).unwrap();
        let split = windows.split(cells.clone());
        assert_eq!(split.dims(), [8, 6, 3]);
        // The second image's window below at the right: rows 2 and 3, columns 3 and 4, and a column of zeros.
        let index = Tensor::from_ints([13, 14, 18, 19], &device);
        let want = cells.clone().slice_dim(0, 1..).select(1, index);
        let index = Tensor::from_ints([0, 1, 3, 4], &device);
        let last = split.clone().slice_dim(0, 7..);
        let got = last.clone().select(1, index);
        got.into_data().assert_eq(&want.into_data(), true);
        let index = Tensor::from_ints([2, 5], &device);
        let zeros = Tensor::<3>::zeros([1, 2, 3], &device).into_data();
        last.select(1, index).into_data().assert_eq(&zeros, true);
        let back = windows.join(split).into_data();
        back.assert_eq(&cells.into_data(), true);
    }

    #[test]
    fn padding_of_images_stays_out_of_reach_and_that_of_windows_does_not() {
        let valid = Tensor::from_bool([[true, true, false]], &Device::flex());
        let windows = Windows::try_new([1, 3], [1, 2]).unwrap();
        let valid = windows.reach(Reach::Valid(valid)).valid().unwrap();
        valid
            .into_data()
            .assert_eq(&[[true, true], [false, true]].into(), true);
    }
}
