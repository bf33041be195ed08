//! What one step of training takes.

use burn::tensor::{Int, Tensor};

/// Pictures on the device, with the host's random numbers for them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Pixels in −1..1, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// Classes, `[batch]`.
    pub labels: Tensor<1, Int>,
    /// What masks and other parts that draw while training are given.
    pub noise: Vec<f32>,
}
