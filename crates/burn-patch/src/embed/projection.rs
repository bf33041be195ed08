use burn::nn::conv::Conv2d;
use burn::tensor::{Int, Tensor};

use crate::grid::PatchGrid;
use crate::ops::{project_cells, project_patches};

/// Projects the windows of `grid` with a convolution's parameters: all, or those at `cells`
/// (`[batch, kept]`) alone.
pub(super) fn project(
    proj: &Conv2d,
    images: Tensor<4>,
    cells: Option<Tensor<2, Int>>,
    grid: &PatchGrid,
) -> Tensor<3> {
    let weight = proj.weight.val();
    let bias = proj.bias.as_ref().map(|bias| bias.val());
    match cells {
        None => project_patches(images, weight, bias, grid),
        Some(cells) => project_cells(images, weight, bias, cells, grid),
    }
}
