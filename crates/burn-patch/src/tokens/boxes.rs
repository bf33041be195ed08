//! Places of tokens as boxes.

use burn::tensor::{DType, Tensor, TensorData};

use crate::grid::PatchGrid;
use crate::tokens::places::Places;
use crate::tokens::tokens::Tokens;

impl Tokens {
    /// Box of each token in its own image, `[1 or batch, tokens, 4]`: `[center y, center x, height, width]` in pixels;
    /// zeros where a token has no place.
    pub fn boxes_px(&self) -> Tensor<3> {
        if let Places::Boxes(boxes) = self.places() {
            return self.where_placed(boxes.clone());
        }
        let (cells, grids) = (self.layout().cells(), self.layout().grids());
        let boxes = grids.iter().flat_map(|grid| grid_boxes_px(grid, cells));
        let boxes = TensorData::new::<f32, _>(boxes.collect(), [grids.len(), cells, 4]);
        let table = Tensor::from_data(boxes, (&self.embeddings().device(), DType::F32));
        self.where_placed(self.at_cells(table))
    }
}

/// Boxes of every cell of `grid`, then zeros up to `cells` of them.
fn grid_boxes_px(grid: &PatchGrid, cells: usize) -> Vec<f32> {
    let [height, width] = grid.window.kernel.map(|side| side as f32);
    let mut boxes: Vec<f32> = grid
        .centers()
        .flat_map(|[_, y, x]| [y, x, height, width])
        .collect();
    boxes.resize(4 * cells, 0.0);
    boxes
}
