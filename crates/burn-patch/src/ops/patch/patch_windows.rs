//! Windows gathered from pictures, and added back into them.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::grid::PatchGrid;
use crate::ops::PatchOps;

/// Gathers the windows of `grid`, values in `(channel, row, column)` order.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - result `[batch, tokens, channels·kh·kw]`
///
/// The same numbers as PyTorch's `Unfold`, with its last two axes exchanged.
///
/// # Panics
///
/// If the images are not of the size that the grid was laid out for.
pub fn patch_windows(images: Tensor<4>, grid: &PatchGrid) -> Tensor<3> {
    let [_, _, height, width] = images.dims();
    assert_eq!([height, width], grid.size, "image size and the grid's");
    Tensor::from_dispatch(<Dispatch as PatchOps>::patch_windows(
        images.into_dispatch(),
        *grid,
    ))
}

/// Adds windows back where they came from: the adjoint of [`patch_windows`].
///
/// # Shapes
///
/// - windows `[batch, tokens, channels·kh·kw]`
/// - result `[batch, channels, height, width]`
///
/// Where windows do not overlap this is also the inverse.
///
/// # Panics
///
/// If there is not one window per grid cell, or a window is not a whole number of channels.
pub fn fold_windows(windows: Tensor<3>, grid: &PatchGrid) -> Tensor<4> {
    let [_, tokens, values] = windows.dims();
    let [kh, kw] = grid.window.kernel;
    assert_eq!(tokens, grid.tokens(), "windows and grid cells");
    assert_eq!(
        values % (kh * kw),
        0,
        "values per window must be a multiple of {kh}·{kw}"
    );
    Tensor::from_dispatch(<Dispatch as PatchOps>::fold_windows(
        windows.into_dispatch(),
        *grid,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Device, Distribution};
    use rstest::rstest;

    #[rstest]
    #[case::partition(Window::patch([2, 3], Remainder::Reject), [4, 6])]
    #[case::padded(Window::patch([4, 4], Remainder::Pad), [5, 6])]
    #[case::floored(Window::patch([4, 4], Remainder::Floor), [9, 6])]
    #[case::overlap(Window::symmetric([7, 7], [4, 4], [3, 3]), [9, 13])]
    #[case::ceil(Window::ceil([4, 4], [2, 2]).unwrap(), [7, 5])]
    #[case::gaps(Window::symmetric([2, 2], [3, 3], [0, 0]), [8, 8])]
    fn folding_is_the_adjoint_of_gathering(#[case] window: Window, #[case] size: [usize; 2]) {
        let device = Device::flex();
        let grid = window.layout(size).unwrap();
        let images = Tensor::random([2, 3, size[0], size[1]], Distribution::Default, &device);
        let windows = patch_windows(images.clone(), &grid);
        let other = windows.random_like(Distribution::Default);
        let left: f32 = (windows * other.clone()).sum().into_scalar();
        let right: f32 = (images * fold_windows(other, &grid)).sum().into_scalar();
        assert!(
            (left - right).abs() <= 1e-5 * left.abs(),
            "⟨Ax, y⟩ = {left}, ⟨x, Aᵀy⟩ = {right}"
        );
    }
}
