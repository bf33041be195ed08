//! Windows put back into a picture, averaged where they overlap.

use burn::tensor::{Tensor, TensorData};

use crate::grid::PatchGrid;
use crate::ops::{at_least_single, fold_windows};

/// Puts windows back and averages where they overlap: a left inverse of
/// [`patch_windows`](crate::ops::patch_windows) on every pixel that a window reads.
///
/// # Shapes
///
/// - windows `[batch, tokens, channels·kh·kw]`, values in `(channel, row, column)` order
/// - result `[batch, channels, height, width]`
///
/// # Equation
///
/// `fold(windows)/fold(1)`: a pixel is the mean of the values that windows hold for it, and 0 where no window reads
/// it. Values in the padding are left out. The counts are [`PatchGrid::coverage`]'s, from integers on the host. Half
/// precision is summed in `f32`.
///
/// # Panics
///
/// As [`fold_windows`].
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor, Tolerance};
/// use burn_patch::grid::Window;
/// use burn_patch::ops::{overlap_add, patch_windows};
///
/// let grid = Window::symmetric([7, 7], [4, 4], [3, 3]).layout([32, 32]).unwrap();
/// let images = Tensor::<4>::random([2, 3, 32, 32], Distribution::Default, &Device::flex());
/// let back = overlap_add(patch_windows(images.clone(), &grid), &grid);
/// back.into_data().assert_approx_eq(&images.into_data(), Tolerance::<f32>::rel_abs(1e-6, 1e-6));
/// ```
pub fn overlap_add(windows: Tensor<3>, grid: &PatchGrid) -> Tensor<4> {
    if grid.is_partition() {
        return fold_windows(windows, grid);
    }
    let dtype = windows.dtype();
    let sum = fold_windows(windows.cast(at_least_single(dtype)), grid);
    let [rows, cols] = grid.coverage();
    let [height, width] = grid.size;
    let counts: Vec<f32> = rows
        .iter()
        .flat_map(|row| cols.iter().map(move |col| (row * col).max(1) as f32))
        .collect();
    let counts = TensorData::new(counts, [1, 1, height, width]);
    let counts = Tensor::from_data(counts, (&sum.device(), sum.dtype()));
    (sum / counts).cast(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use burn::tensor::{DType, Device};

    #[test]
    fn half_precision_has_room_for_many_windows_over_a_pixel() {
        let grid = Window::symmetric([20, 20], [1, 1], [0, 0])
            .layout([40, 40])
            .unwrap();
        let options = (&Device::flex(), DType::F16);
        let windows = Tensor::<3>::full([1, grid.tokens(), 400], 200.0, options);
        let image = overlap_add(windows, &grid);
        assert_eq!(image.dtype(), DType::F16);
        let image = image.cast(DType::F32);
        let want = (image.ones_like() * 200.0).into_data();
        image.into_data().assert_eq(&want, true);
    }

    #[test]
    fn a_pixel_is_the_mean_of_its_windows_and_zero_where_there_is_none() {
        let device = Device::flex();
        let grid = Window::symmetric([1, 3], [1, 2], [0, 1])
            .layout([1, 6])
            .unwrap();
        // Windows over columns (−1, 0, 1), (1, 2, 3) and (3, 4, 5).
        let windows = [[9.0, 1.0, 2.0], [4.0, 5.0, 6.0], [8.0, 3.0, 7.0]];
        let image = overlap_add(Tensor::from_floats([windows], &device), &grid);
        image
            .into_data()
            .assert_eq(&[[[[1.0f32, 3.0, 5.0, 7.0, 3.0, 7.0]]]].into(), true);

        let gaps = Window::symmetric([1, 1], [1, 2], [0, 0])
            .layout([1, 4])
            .unwrap();
        let image = overlap_add(Tensor::from_floats([[[5.0], [6.0]]], &device), &gaps);
        image
            .into_data()
            .assert_eq(&[[[[5.0f32, 0.0, 6.0, 0.0]]]].into(), true);
    }
}
