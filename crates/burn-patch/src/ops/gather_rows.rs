//! Tokens picked by index, image by image.

use burn::tensor::{Int, Tensor};

/// Picks tokens per image: values `[batch, tokens, dim]`, index `[batch, kept]`, result `[batch, kept, dim]`.
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
pub fn gather_rows(values: Tensor<3>, index: Tensor<2, Int>) -> Tensor<3> {
    let [batch, _, dim] = values.dims();
    let [_, kept] = index.dims();
    values.gather(1, index.unsqueeze_dim::<3>(2).expand([batch, kept, dim]))
}
