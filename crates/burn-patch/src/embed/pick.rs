//! Picking by value or by place, each row of a batch on its own, without reading anything back.

use burn::tensor::{DType, Int, Tensor};

/// 1 where a value is among the `count` largest of its row, 0 elsewhere: exactly `count` per row. Of equal values
/// the earlier ones count, so that every backend picks the same.
pub(super) fn largest(values: Tensor<2>, count: usize) -> Tensor<2> {
    let [batch, len] = values.dims();
    if count == 0 {
        return values.zeros_like();
    }
    if count >= len {
        return values.ones_like();
    }
    let dtype = values.dtype();
    let least = values.clone().topk(count, 1).min_dim(1);
    let least = least.expand([batch, len]);
    let above = values.clone().greater(least.clone()).float().cast(dtype);
    let equal = values.equal(least).float().cast(dtype);
    let room = above.clone().sum_dim(1).neg() + count as f32;
    let place = equal.clone().cumsum(1);
    above
        + equal
            * place
                .lower_equal(room.expand([batch, len]))
                .float()
                .cast(dtype)
}

/// Where a row of `mask` (zeros and ones) has its first `count` ones, in ascending order, and which of these are
/// there: a row with fewer ends in places that are not, with index 0.
pub(super) fn places(mask: Tensor<2>, count: usize) -> (Tensor<2, Int>, Tensor<2>) {
    let [batch, len] = mask.dims();
    let device = mask.device();
    // len, len − 1, … at the ones: whole numbers, exact in f32.
    let falling = Tensor::<1, Int>::arange(0..len as i64, &device).float();
    let falling = falling.cast(DType::F32).neg() + len as f32;
    let keys = mask.cast(DType::F32) * falling.unsqueeze_dim::<2>(0);
    let picked = match count {
        0 => Tensor::zeros([batch, 0], (&device, DType::F32)),
        _ => keys.topk(count, 1),
    };
    let there = picked.clone().greater_elem(0.5).float().cast(DType::F32);
    let index = (picked.neg() + len as f32) * there.clone();
    (index.int(), there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn of_equal_values_the_earlier_are_picked() {
        let device = Device::flex();
        let values = Tensor::from_floats([[1.0, 2.0, 1.0, 1.0, 3.0], [0.0; 5]], &device);
        let mask = largest(values, 3);
        mask.clone().into_data().assert_eq(
            &[[1.0f32, 1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0, 0.0]].into(),
            true,
        );
        let (index, _) = places(mask, 3);
        let want = [[0i64, 1, 4], [0, 1, 2]];
        index
            .into_data()
            .convert::<i64>()
            .assert_eq(&want.into(), true);
    }

    #[test]
    fn a_row_with_too_few_ends_in_places_that_are_not_there() {
        let mask = Tensor::from_floats([[0.0, 1.0, 0.0, 1.0], [0.0; 4]], &Device::flex());
        let (index, there) = places(mask, 3);
        let index = index.into_data().convert::<i64>();
        index.assert_eq(&[[1i64, 3, 0], [0, 0, 0]].into(), true);
        there
            .into_data()
            .assert_eq(&[[1.0f32, 1.0, 0.0], [0.0; 3]].into(), true);
    }
}
