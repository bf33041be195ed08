//! What the kernels need of a backend: its tensors as slices of host memory.

use burn::backend::Backend;
use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::tensor::{Element, Shape, TensorData};

/// A backend whose tensors of `T` are slices of host memory.
pub(in crate::ops::backends) trait Host<T>: Backend {
    /// The values, if memory holds them in row-major order.
    fn values(tensor: &FloatTensor<Self>) -> Option<&[T]>;

    /// A tensor of `values`, without a copy.
    fn tensor(values: TensorData) -> FloatTensor<Self>;

    /// The same tensor in row-major order.
    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The bytes of an integer tensor, if it holds bytes and memory has them in row-major order.
    fn bytes(tensor: &IntTensor<Self>) -> Option<&[u8]>;

    /// The values of an integer tensor, in row-major order.
    fn integers(tensor: IntTensor<Self>) -> Vec<i64>;

    /// The values of a tensor of truths, in row-major order.
    fn bools(tensor: BoolTensor<Self>) -> Vec<bool>;
}

pub(super) fn values<B: Host<T>, T>(contiguous: &FloatTensor<B>) -> &[T] {
    B::values(contiguous).expect("contiguous tensors of one type")
}

pub(super) fn tensor<B: Host<T>, T: Element>(
    values: Vec<T>,
    shape: impl Into<Shape>,
) -> FloatTensor<B> {
    B::tensor(TensorData::new(values, shape))
}
