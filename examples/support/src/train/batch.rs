//! What one step of training takes.

use burn::tensor::{Int, Tensor};

/// Pictures on the device, with the host's random numbers for them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Pixels in −1..1, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// Classes, `[batch]`.
    pub labels: Tensor<1, Int>,
    /// Masking noise, one value per patch.
    pub noise: Vec<f32>,
}
