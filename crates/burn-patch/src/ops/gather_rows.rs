//! Tokens picked by index, image by image.

use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

use crate::ops::LayerOps;

/// Picks tokens per image: values `[batch or 1, tokens, dim]`, index `[batch, kept]`, result `[batch, kept, dim]`.
/// Values of one image are a table that all images share.
///
/// # Panics
///
/// If values are of another number of images. Some backends, such as the CPU's, panic at an index out of range;
/// others do not look.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_patch::ops::gather_rows;
///
/// let device = Device::flex();
/// let rows = Tensor::<3>::from_floats([[[1.0, 2.0], [3.0, 4.0]]], &device);
/// let index = Tensor::<2, Int>::from_ints([[1, 0, 1]], &device);
/// gather_rows(rows, index).into_data().assert_eq(
///     &[[[3.0f32, 4.0], [1.0, 2.0], [3.0, 4.0]]].into(),
///     true,
/// );
/// ```
#[track_caller]
pub fn gather_rows(values: Tensor<3>, index: Tensor<2, Int>) -> Tensor<3> {
    let ([images, _, _], [batch, _]) = (values.dims(), index.dims());
    assert!(
        images == batch || images == 1,
        "values of {images} images, indices of {batch}"
    );
    Tensor::from_dispatch(<Dispatch as LayerOps>::gather_rows(
        values.into_dispatch(),
        index.into_dispatch(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, Distribution};

    /// Burn's own gather, with its gradient.
    fn by_gather(values: Tensor<3>, index: Tensor<2, Int>) -> Tensor<3> {
        let ([_, rows, dim], [batch, kept]) = (values.dims(), index.dims());
        let values = values.expand([batch, rows, dim]);
        values.gather(1, index.unsqueeze_dim::<3>(2).expand([batch, kept, dim]))
    }

    #[test]
    fn values_and_gradients_are_those_of_gather() {
        let device = Device::flex().autodiff();
        let index = Tensor::<2, Int>::from_ints([[3, 0, 3, 1], [2, 2, 2, 0]], &device);
        for (images, dtype) in [
            (2, DType::F32),
            (1, DType::F32),
            (2, DType::F64),
            (1, DType::F16),
        ] {
            let options = (&device, dtype);
            let random = |shape| Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), options);
            let (values, factors) = (random([images, 4, 5]), random([2, 4, 5]));
            let run = |function: fn(Tensor<3>, Tensor<2, Int>) -> Tensor<3>| {
                let values = values.clone().require_grad();
                let rows = function(values.clone(), index.clone());
                let grads = (rows.clone() * factors.clone()).sum().backward();
                (rows.into_data(), values.grad(&grads).unwrap().into_data())
            };
            let ((rows, grad), (want_rows, want_grad)) = (run(gather_rows), run(by_gather));
            rows.assert_eq(&want_rows, true);
            grad.assert_eq(&want_grad, true);
        }
    }

    #[test]
    #[should_panic(expected = "index 4 of 4 rows")]
    fn an_index_of_the_next_image_is_refused() {
        let device = Device::flex();
        let index = Tensor::<2, Int>::from_ints([[4], [0]], &device);
        gather_rows(Tensor::zeros([2, 4, 3], &device), index);
    }

    #[test]
    #[should_panic(expected = "values of 2 images, indices of 3")]
    fn other_images_are_refused() {
        let device = Device::flex();
        let index = Tensor::<2, Int>::zeros([3, 1], &device);
        gather_rows(Tensor::zeros([2, 4, 3], &device), index);
    }
}
