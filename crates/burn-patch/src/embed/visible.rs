use burn::nn::conv::Conv2d;
use burn::tensor::{Int, Tensor};

use crate::grid::PatchGrid;
use crate::ops::{gather_rows, patch_windows};

/// Projects only the windows at `cells` (`[batch, kept]`): gather, then multiply, so that the
/// product costs `kept / tokens` of the whole.
pub(super) fn project_visible(
    proj: &Conv2d,
    images: Tensor<4>,
    cells: Tensor<2, Int>,
    grid: &PatchGrid,
) -> Tensor<3> {
    let [batch, kept] = cells.dims();
    let windows = gather_rows(patch_windows(images, grid), cells);
    let [_, _, values] = windows.dims();
    let weight = proj.weight.val();
    let [dim, ..] = weight.dims();
    let tokens = windows
        .reshape([batch * kept, values])
        .matmul(weight.reshape([dim, values]).transpose());
    let tokens = match &proj.bias {
        Some(bias) => tokens + bias.val().unsqueeze(),
        None => tokens,
    };
    tokens.reshape([batch, kept, dim])
}
