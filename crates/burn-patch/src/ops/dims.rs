//! The shape of a primitive as an array.

use burn::backend::TensorMetadata;

pub(crate) fn dims<T: TensorMetadata, const D: usize>(tensor: &T) -> [usize; D] {
    tensor.shape().dims()
}
