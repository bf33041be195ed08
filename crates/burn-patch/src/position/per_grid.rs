//! Two numbers for each grid, as a tensor.

use burn::tensor::{Tensor, TensorData};

use crate::grid::PatchGrid;
use crate::tokens::Layout;

/// What `of` says of rows and of columns for each grid, `[grids, 1, 2]`, of the device and dtype of `like`.
pub(crate) fn per_grid(
    layout: &Layout,
    like: &Tensor<3>,
    of: impl Fn(&PatchGrid) -> [f64; 2],
) -> Tensor<3> {
    let grids = layout.grids();
    let values: Vec<f64> = grids.iter().flat_map(of).collect();
    let data = TensorData::new(values, [grids.len(), 1, 2]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}
