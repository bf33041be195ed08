//! Picking by value or by place, each row of a batch on its own, without reading anything back.

use burn::tensor::{DType, Int, Tensor};

use crate::ops::at_least_single;

/// 1 where a value is among the `count` largest of its row, 0 elsewhere: exactly `count` per row. Of equal values
/// the earlier ones count, so that every backend picks the same.
pub(crate) fn largest(values: Tensor<2>, count: usize) -> Tensor<2> {
    first(&[values], count)
}

/// As [`largest`], by the first of `keys`, among equals by the next, and so on.
pub(crate) fn first(keys: &[Tensor<2>], count: usize) -> Tensor<2> {
    let [batch, len] = keys[0].dims();
    let options = (&keys[0].device(), DType::F32);
    if count == 0 || count >= len {
        return Tensor::full([batch, len], u8::from(count > 0), options);
    }
    let mut picked = Tensor::zeros([batch, len], options);
    let mut open = Tensor::ones([batch, len], options);
    let mut room = Tensor::<2>::full([batch, 1], count as f32, options);
    for key in keys {
        let dtype = at_least_single(key.dtype());
        let key = key.clone().cast(dtype);
        let key = key.mask_fill(open.clone().lower_elem(0.5), f32::MIN);
        // The value at which the room ends: fewer are above it than there is room for.
        let place = (room.clone() - 1.0).int();
        let last = key.clone().topk(count, 1).gather(1, place);
        let last = last.expand([batch, len]);
        let above = key.clone().greater(last.clone()).float().cast(DType::F32);
        open = open * key.equal(last).float().cast(DType::F32);
        room = room - above.clone().sum_dim(1);
        picked = picked + above;
    }
    let place = open.clone().cumsum(1);
    let fits = place.lower_equal(room.expand([batch, len]));
    picked + open * fits.float().cast(DType::F32)
}

/// Where a row of `mask` (zeros and ones) has its first `count` ones, in ascending order, and which of these are
/// there: a row with fewer ends in places that are not, with index 0.
pub(crate) fn places(mask: Tensor<2>, count: usize) -> (Tensor<2, Int>, Tensor<2>) {
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
    fn among_equals_the_next_key_decides() {
        let device = Device::flex();
        let one = Tensor::from_floats([[2.0, 1.0, 1.0, 1.0], [1.0, 1.0, 3.0, 2.0]], &device);
        let two = Tensor::from_floats([[0.0, 5.0, 7.0, 6.0], [8.0, 9.0, 0.0, 0.0]], &device);
        let want = [[1.0f32, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]];
        first(&[one, two], 3)
            .into_data()
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
