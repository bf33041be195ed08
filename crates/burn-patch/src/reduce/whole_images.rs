//! The place of what comes from everywhere.

use burn::tensor::{DType, Tensor, TensorData};

use crate::Tokens;

/// The whole image as a box, for one image or for each, `[1 or batch, 1, 4]`.
pub(crate) fn whole_images(tokens: &Tokens) -> Tensor<3> {
    let grids = tokens.layout().grids();
    let images = grids.iter().flat_map(|grid| {
        let [height, width] = grid.size.map(|side| side as f32);
        [height / 2.0, width / 2.0, height, width]
    });
    let images = TensorData::new(images.collect::<Vec<_>>(), [grids.len(), 1, 4]);
    Tensor::from_data(images, (&tokens.embeddings().device(), DType::F32))
}
