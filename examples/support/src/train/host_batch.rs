//! A batch before it is on a device.

use burn::tensor::{Device, Tensor, TensorData};

use crate::train::batch::Batch;

/// What becomes a [`Batch`].
pub(crate) struct HostBatch {
    pub(crate) values: Vec<f32>,
    /// `[batch, channels, height, width]`.
    pub(crate) shape: [usize; 4],
    pub(crate) labels: Vec<i32>,
    pub(crate) noise: Vec<f32>,
}

impl HostBatch {
    pub(crate) fn on(self, device: &Device) -> Batch {
        let labels = TensorData::new(self.labels, [self.shape[0]]);
        Batch {
            images: Tensor::from_data(TensorData::new(self.values, self.shape), device),
            labels: Tensor::from_data(labels, device),
            noise: self.noise,
        }
    }
}
