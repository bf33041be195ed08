//! The modules under test: every embedding and reducer of the catalogues, positions, masking and the models.

mod attention;
mod backbones;
mod embeddings;
mod models;
mod ops;
mod positions;
mod reducers;

use burn::tensor::{DType, Device, Tensor};

use crate::det::det_tensor;
use crate::shard;
use crate::subject::Subject;

const BATCH: usize = 2;
const CHANNELS: usize = 3;
const SIZE: [usize; 2] = [8, 12];
const STRIDE: [usize; 2] = [4, 2];
const DIM: usize = 16;
const CELLS: usize = 12;

/// The subjects: all of them, or the part that `BURN_PATCH_SHARD` names.
///
/// `BURN_PATCH_SHARD=1/2` in one process and `2/2` in another test everything between them, on two cores even where
/// a GPU backend compiles its kernels on one.
///
/// # Panics
///
/// If `BURN_PATCH_SHARD` is set to no such part.
pub fn subjects() -> Vec<Subject> {
    shard::of_this_process(every_subject())
}

pub(crate) fn every_subject() -> Vec<Subject> {
    let groups = [
        embeddings::subjects(),
        positions::subjects(),
        ops::subjects(),
        attention::subjects(),
        reducers::subjects(),
        models::subjects(),
        backbones::subjects(),
    ];
    groups.into_iter().flatten().collect()
}

fn images(device: &Device, dtype: DType) -> Tensor<4> {
    det_tensor([BATCH, CHANNELS, SIZE[0], SIZE[1]], 7, device, dtype)
}
