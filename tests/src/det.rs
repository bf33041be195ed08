//! Numbers from a formula, the same here and in the Python scripts that made the golden files.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Formula values for inputs and parameters: no generator, no files, the same in Python and here.
///
/// Value `i` (row-major) is `((7919·i + 104729·seed) mod 2003)/2003 − ½`, rounded to `f32`.
pub fn det(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|i| (((7919 * i + 104_729 * seed) % 2003) as f64 / 2003.0 - 0.5) as f32)
        .collect()
}

/// [`det`] as a tensor.
pub fn det_tensor<const D: usize>(
    shape: [usize; D],
    seed: u64,
    device: &Device,
    dtype: DType,
) -> Tensor<D> {
    let values = det(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}
