//! The modules under test: every embedding and reducer of the catalogues, positions, masking and the models.

mod attention;
mod embeddings;
mod models;
mod ops;
mod positions;
mod reducers;

use burn::tensor::{DType, Device, Tensor};

use crate::det::det_tensor;
use crate::subject::Subject;

const BATCH: usize = 2;
const CHANNELS: usize = 3;
const SIZE: [usize; 2] = [8, 12];
const STRIDE: [usize; 2] = [4, 2];
const DIM: usize = 16;
const CELLS: usize = 12;

/// Every subject.
pub fn subjects() -> Vec<Subject> {
    let groups = [
        embeddings::subjects(),
        positions::subjects(),
        ops::subjects(),
        attention::subjects(),
        reducers::subjects(),
        models::subjects(),
    ];
    groups.into_iter().flatten().collect()
}

fn images(device: &Device, dtype: DType) -> Tensor<4> {
    det_tensor([BATCH, CHANNELS, SIZE[0], SIZE[1]], 7, device, dtype)
}
