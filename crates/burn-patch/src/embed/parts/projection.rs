//! A convolution run by the projection operation, and the two shapes of its result: map and tokens.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::tensor::{Int, Tensor};

use crate::grid::{PatchGrid, Window};
use crate::ops::{Images, project_pixels};
use crate::or_panic::OrPanic;

/// Projects the windows of `grid` with a convolution's parameters: all, or those at `cells`
/// (`[batch, kept]`) alone.
pub(crate) fn project(
    proj: &Conv2d,
    images: impl Into<Images>,
    cells: Option<Tensor<2, Int>>,
    grid: &PatchGrid,
) -> Tensor<3> {
    project_filled(proj, None, images.into(), cells, grid)
}

/// As [`project`], with the padding's value per channel, if it is not zero.
pub(crate) fn project_filled(
    proj: &Conv2d,
    fill: Option<&Param<Tensor<1>>>,
    images: Images,
    cells: Option<Tensor<2, Int>>,
    grid: &PatchGrid,
) -> Tensor<3> {
    let weight = proj.weight.val();
    let bias = proj.bias.as_ref().map(|bias| bias.val());
    let fill = fill.map(|fill| fill.val());
    project_pixels(images, weight, bias, fill, cells, grid)
}

/// A step inside an embedding: the convolution as a map again, `[batch, dim, rows, cols]`.
///
/// The sizes were checked by the embedding's `layout`.
pub(crate) fn convolve(proj: &Conv2d, map: Tensor<4>, window: &Window) -> Tensor<4> {
    let [batch, _, height, width] = map.dims();
    let grid = window.layout([height, width]).or_panic();
    let tokens = project(proj, map, None, &grid);
    let [_, _, dim] = tokens.dims();
    to_map(tokens, [batch, dim, grid.rows, grid.cols])
}

/// Row-major tokens as a map.
pub(crate) fn to_map(tokens: Tensor<3>, shape: [usize; 4]) -> Tensor<4> {
    tokens.swap_dims(1, 2).reshape(shape)
}

/// A map as row-major tokens.
pub(crate) fn to_tokens(map: Tensor<4>) -> Tensor<3> {
    let [batch, dim, rows, cols] = map.dims();
    map.reshape([batch, dim, rows * cols]).swap_dims(1, 2)
}
