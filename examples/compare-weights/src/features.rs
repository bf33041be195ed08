//! Features of all pictures of a part.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use support::data::Pictures;
use support::train::PictureBatcher;
use support::{Draws, Error, stop};

use crate::encoder::Encoder;

/// Pictures per forward pass.
const BATCH: usize = 64;

/// Features of pictures, a row of length 1 for each, and the pictures' classes.
pub(crate) struct Features {
    pub(crate) rows: Tensor<2>,
    pub(crate) labels: Vec<usize>,
}

impl Features {
    pub(crate) fn of(
        encoder: &Encoder,
        pictures: &Arc<Pictures>,
        device: &Device,
    ) -> Result<Self, Error> {
        let batcher = PictureBatcher::new(pictures.clone(), 0, false, Draws::new(0, 0));
        let all: Vec<usize> = (0..pictures.len()).collect();
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for indices in all.chunks(BATCH) {
            stop::check().map_err(|error| error.ended("the rows above are done"))?;
            let batch = batcher.collect(indices, 0, device)?;
            rows.push((encoder.encode)(batch.images));
            let classes = batch.labels.into_data().try_to_vec_as::<i64>();
            let classes = classes.expect("classes are whole numbers");
            labels.extend(classes.into_iter().map(|class| class as usize));
        }
        Ok(Self::new(Tensor::cat(rows, 0), labels))
    }

    /// Rows are divided by their length; one of zeros stays.
    pub(crate) fn new(rows: Tensor<2>, labels: Vec<usize>) -> Self {
        let lengths = rows.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
        Self {
            rows: rows / lengths,
            labels,
        }
    }
}
