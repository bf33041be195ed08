//! Pictures to embed.

use burn::tensor::{Device, Distribution, Tensor};

/// Inputs taken in turn, so that no side finds its picture in the cache.
const INPUTS: usize = 4;

/// Random pictures of one size.
pub(crate) fn pictures(shape: [usize; 4], device: &Device) -> Vec<Tensor<4>> {
    (0..INPUTS)
        .map(|_| Tensor::random(shape, Distribution::Default, device))
        .collect()
}
