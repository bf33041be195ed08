//! Rows by index, image by image, from a backend's own tensor operations.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Shape};

use crate::ops::dims::dims;

/// Rows of values `[batch or 1, rows, dim]` at index `[batch, kept]`, `[batch, kept, dim]`.
pub(crate) fn gather<B: Backend>(values: FloatTensor<B>, index: IntTensor<B>) -> FloatTensor<B> {
    let ([images, rows, dim], [batch, _]) = (dims(&values), dims(&index));
    let values = match images == batch {
        true => values,
        false => B::float_expand(values, Shape::new([batch, rows, dim])),
    };
    B::float_gather(1, values, by_value::<B>(index, dim))
}

/// The gradient of [`gather`] for values of this shape.
pub(crate) fn gather_grad<B: Backend>(
    [images, rows, dim]: [usize; 3],
    index: IntTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let [batch, _] = dims(&index);
    let shape = Shape::new([batch, rows, dim]);
    let zeros = B::float_zeros(shape, &grad.device(), grad.dtype().into());
    let index = by_value::<B>(index, dim);
    let sum = B::float_scatter(1, zeros, index, grad, IndexingUpdateOp::Add);
    match images == batch {
        true => sum,
        false => B::float_sum_dim(sum, 0),
    }
}

/// `[batch, kept]` → `[batch, kept, dim]`, as gather and scatter want it.
fn by_value<B: Backend>(index: IntTensor<B>, dim: usize) -> IntTensor<B> {
    let [batch, kept] = dims(&index);
    let index = B::int_reshape(index, Shape::new([batch, kept, 1]));
    B::int_expand(index, Shape::new([batch, kept, dim]))
}
