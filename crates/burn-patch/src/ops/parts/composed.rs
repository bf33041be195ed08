//! [`PartOps`](crate::ops::PartOps) from a backend's own tensor operations.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Shape};

use crate::ops::at_least_single;
use crate::ops::dims::dims;

/// The shape of a product of tensors of these shapes.
#[cfg(feature = "fusion")]
pub(super) fn product_shape(left: &Shape, right: &Shape) -> Shape {
    let last = left.num_dims() - 1;
    let axes = (0..=last).map(|axis| match axis {
        axis if axis == last => right[axis],
        axis if axis + 1 == last => left[axis],
        axis => left[axis].max(right[axis]),
    });
    Shape::from(axes.collect::<Vec<usize>>())
}

pub(crate) fn attend<B: Backend>(
    [query, key, value]: [FloatTensor<B>; 3],
    scale: f64,
    product: impl Fn(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B>,
    softmax_rows: impl Fn(FloatTensor<B>) -> FloatTensor<B>,
) -> FloatTensor<B> {
    let query = B::float_mul_scalar(query, scale.into());
    let scores = product(query, B::float_swap_dims(key, 2, 3));
    product(softmax_rows(scores), value)
}

pub(crate) fn softmax_rows_grad<B: Backend>(
    weights: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let axis = weights.shape().num_dims() - 1;
    let product = B::float_mul(grad.clone(), weights.clone());
    let centre = B::float_sum_dim(product, axis);
    B::float_mul(weights, B::float_sub(grad, centre))
}

/// With `x̂ = (x − μ)/σ` and `g = ∂·γ`: `∂x = (g − mean(g) − x̂·mean(g∘x̂))/σ`, and `∂∘x̂`.
pub(crate) fn norm_rows_grads<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    grad: FloatTensor<B>,
    epsilon: f64,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let [_, dim] = dims(&x);
    let centred = B::float_sub(x.clone(), B::float_mean_dim(x, 1));
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred.clone()), 1);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, epsilon.into()));
    let normal = B::float_div(centred, deviation.clone());

    let scaled = B::float_mul(grad.clone(), B::float_reshape(gamma, Shape::new([1, dim])));
    let mean = B::float_mean_dim(scaled.clone(), 1);
    let along = B::float_mean_dim(B::float_mul(scaled.clone(), normal.clone()), 1);
    let across = B::float_sub(
        B::float_sub(scaled, mean),
        B::float_mul(normal.clone(), along),
    );
    let x_grad = B::float_div(across, deviation);
    (x_grad, B::float_mul(grad, normal))
}

pub(crate) fn cross_entropy<B: Backend>(
    logits: FloatTensor<B>,
    classes: IntTensor<B>,
    smoothing: f64,
) -> FloatTensor<B> {
    let [rows, width] = dims(&logits);
    let dtype = logits.dtype();
    let precise = at_least_single(dtype);
    let logs = B::log_softmax(B::float_cast(logits, precise.into()), 1);
    let index = B::int_reshape(classes, Shape::new([rows, 1]));
    let picked = B::float_sum(B::float_gather(1, logs.clone(), index));
    let picked = B::float_mul_scalar(picked, ((smoothing - 1.0) / rows as f64).into());
    // A masked class, whose score is −∞, counts only where it has a share.
    let loss = match smoothing > 0.0 {
        true => {
            let spread = -smoothing / (rows * width) as f64;
            B::float_add(
                picked,
                B::float_mul_scalar(B::float_sum(logs), spread.into()),
            )
        }
        false => picked,
    };
    B::float_cast(loss, dtype.into())
}

/// `(p − target)·∂/rows`.
pub(crate) fn cross_entropy_grad<B: Backend>(
    logits: FloatTensor<B>,
    classes: IntTensor<B>,
    grad: FloatTensor<B>,
    smoothing: f64,
) -> FloatTensor<B> {
    let [rows, width] = dims(&logits);
    let (device, dtype) = (logits.device(), logits.dtype());
    let precise = at_least_single(dtype);
    let [logits, grad] = [logits, grad].map(|tensor| B::float_cast(tensor, precise.into()));
    let full = |shape: [usize; 2], value: f64| {
        B::float_full(Shape::new(shape), value.into(), &device, precise.into())
    };
    let index = B::int_reshape(classes, Shape::new([rows, 1]));
    let spread = full([rows, width], smoothing / width as f64);
    let hit = full([rows, 1], 1.0 - smoothing);
    let target = B::float_scatter(1, spread, index, hit, IndexingUpdateOp::Add);
    let apart = B::float_sub(B::softmax(logits, 1), target);
    let grad = B::float_mul_scalar(grad, (1.0 / rows as f64).into());
    let grad = B::float_mul(apart, B::float_reshape(grad, Shape::new([1, 1])));
    B::float_cast(grad, dtype.into())
}

#[cfg(all(test, feature = "fusion"))]
mod tests {
    use super::*;

    #[test]
    fn a_product_repeats_what_is_1_on_one_side() {
        let of = |left: &[usize], right: &[usize]| {
            product_shape(&Shape::from(left.to_vec()), &Shape::from(right.to_vec()))
        };
        assert_eq!(of(&[3, 4], &[4, 5]), Shape::new([3, 5]));
        assert_eq!(of(&[2, 1, 3, 4], &[1, 7, 4, 1]), Shape::new([2, 7, 3, 1]));
    }
}
