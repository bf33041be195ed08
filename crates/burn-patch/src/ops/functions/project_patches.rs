use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::grid::PatchGrid;
use crate::ops::{Bias, PatchOps};

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
/// If the images are not of the size that the grid was laid out for, or the weight does not have
/// the images' channels and the window's kernel.
pub fn project_patches(
    images: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    grid: &PatchGrid,
) -> Tensor<3> {
    let [_, channels, height, width] = images.dims();
    let [dim, ..] = weight.dims();
    let [kh, kw] = grid.window.kernel;
    assert_eq!([height, width], grid.size, "image size and the grid's");
    assert_eq!(weight.dims(), [dim, channels, kh, kw], "weight");
    Tensor::from_dispatch(<Dispatch as PatchOps>::project_patches(
        images.into_dispatch(),
        weight.into_dispatch(),
        bias.map_or(Bias::Absent, |bias| Bias::Present(bias.into_dispatch())),
        *grid,
    ))
}
