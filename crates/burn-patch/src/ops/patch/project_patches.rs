//! Windows gathered and projected to tokens, as one operation: all of them, or picked ones.

use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, Fill, Images, PatchOps, dequantized};

/// Projects every window of `grid` to a token.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - weight `[dim, channels, kh, kw]`, as in a convolution's checkpoint
/// - bias `[dim]`
/// - result `[batch, tokens, dim]`
///
/// The same numbers as `conv2d(images, weight, bias, stride, padding)` flattened to tokens.
///
/// # Panics
///
/// If the images are not of the size that the grid was laid out for, the weight does not have the images' channels and
/// the window's kernel, or images, weight and bias are not of one type.
pub fn project_patches(
    images: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    grid: &PatchGrid,
) -> Tensor<3> {
    project_pixels(images.into(), weight, bias, None, None, grid)
}

/// Projects the windows of `grid` at `cells` alone, in that order.
///
/// # Shapes
///
/// - images, weight, bias as in [`project_patches`]
/// - cells `[batch, kept]`, row-major indices into the grid; repeats are allowed
/// - result `[batch, kept, dim]`
///
/// The same tokens as projecting all and picking those, at `kept / tokens` of the cost.
///
/// # Panics
///
/// As [`project_patches`], and if there is not one list of cells per image.
pub fn project_cells(
    images: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    cells: Tensor<2, Int>,
    grid: &PatchGrid,
) -> Tensor<3> {
    project_pixels(images.into(), weight, bias, None, Some(cells), grid)
}

/// The general form of [`project_patches`] and [`project_cells`]: numbers or bytes, any padding.
///
/// # Shapes
///
/// - images as [`Images`] says; weight `[dim, channels, kh, kw]`, bias `[dim]`, [dequantized] where they are quantized
/// - fill `[channels]`: what padding holds instead of zeros, cast to the weight's type. No gradient flows to it.
/// - cells `[batch, kept]`: the windows to project; none: all of them
/// - result `[batch, tokens or kept, dim]` in the weight's type
///
/// On Flex and NdArray, bytes are converted while windows are gathered: no picture of floats is ever made.
///
/// # Panics
///
/// As [`project_cells`], and if there is not one fill per channel.
pub fn project_pixels(
    images: Images,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    fill: Option<Tensor<1>>,
    cells: Option<Tensor<2, Int>>,
    grid: &PatchGrid,
) -> Tensor<3> {
    let [batch, channels, height, width] = images.dims();
    let [dim, ..] = weight.dims();
    let [kh, kw] = grid.window.kernel;
    assert_eq!([height, width], grid.size, "image size and the grid's");
    assert_eq!(weight.dims(), [dim, channels, kh, kw], "weight");
    if let Some(fill) = &fill {
        assert_eq!(fill.dims(), [channels], "fill");
    }
    if let Some(cells) = &cells {
        assert_eq!(cells.dims()[0], batch, "lists of cells and images");
    }
    let (weight, bias) = (dequantized(weight), bias.map(dequantized));
    let dtype = weight.dtype();
    if let Images::Floats(images) = &images {
        assert_eq!(images.dtype(), dtype, "types of images and weight");
    }
    if let Some(bias) = &bias {
        assert_eq!(bias.dtype(), dtype, "types of bias and weight");
    }
    Tensor::from_dispatch(<Dispatch as PatchOps>::project_patches(
        images.into_pixels(),
        weight.into_dispatch(),
        bias.map_or(Bias::Absent, |bias| Bias::Present(bias.into_dispatch())),
        fill.map_or(Fill::Zeros, |fill| {
            Fill::Channels(fill.cast(dtype).into_dispatch())
        }),
        cells.map_or(Cells::All, |cells| Cells::Picked(cells.into_dispatch())),
        *grid,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{DType, Device};

    #[test]
    #[should_panic(expected = "types of images and weight")]
    fn a_weight_of_another_type_is_refused() {
        let device = Device::flex();
        let grid = Window::patch([4, 4], Remainder::Reject)
            .layout([8, 12])
            .unwrap();
        let weight = Tensor::zeros([5, 3, 4, 4], (&device, DType::F16));
        project_patches(Tensor::zeros([1, 3, 8, 12], &device), weight, None, &grid);
    }

    #[test]
    fn an_empty_batch_gives_no_tokens() {
        let device = Device::flex();
        let grid = Window::patch([4, 4], Remainder::Reject)
            .layout([8, 12])
            .unwrap();
        let images = Tensor::zeros([0, 3, 8, 12], &device);
        let weight = Tensor::zeros([5, 3, 4, 4], &device);
        let all = project_patches(images.clone(), weight.clone(), None, &grid);
        assert_eq!(all.dims(), [0, 6, 5]);
        let cells = Tensor::<2, Int>::zeros([0, 2], (&device, DType::I32));
        let picked = project_cells(images, weight, None, cells, &grid);
        assert_eq!(picked.dims()[0], 0);
    }
}
