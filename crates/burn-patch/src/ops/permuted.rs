//! Axes in another order, by exchanges of two.
//!
//! Burn's own `permute` and `flip` of floats do not reach a device that another process serves where `fusion` is
//! compiled in: burn-fusion 0.22.1 records them as those of integers (`ops/tensor.rs`), and a server of flex or ndarray
//! ends the session. An exchange of two axes copies nothing either.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

/// The tensor whose axis `i` is `axes[i]` of `x`, as `Tensor::permute`.
pub(crate) fn permuted<const D: usize>(x: Tensor<D>, axes: [usize; D]) -> Tensor<D> {
    let exchanges = exchanges(axes).into_iter();
    exchanges.fold(x, |x, [left, right]| x.swap_dims(left, right))
}

/// As [`permuted`], of a backend's own tensor.
pub(crate) fn permuted_primitive<B: Backend, const D: usize>(
    x: FloatTensor<B>,
    axes: [usize; D],
) -> FloatTensor<B> {
    let exchanges = exchanges(axes).into_iter();
    exchanges.fold(x, |x, [left, right]| B::float_swap_dims(x, left, right))
}

/// Pairs of axes to exchange, one after the other.
fn exchanges<const D: usize>(axes: [usize; D]) -> Vec<[usize; 2]> {
    let mut order: [usize; D] = core::array::from_fn(|axis| axis);
    let mut pairs = Vec::new();
    for (place, axis) in axes.iter().enumerate() {
        let from = order.iter().position(|found| found == axis);
        let from = from.expect("each axis once");
        if from != place {
            order.swap(place, from);
            pairs.push([place, from]);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};

    #[test]
    fn it_is_burns_own_order() {
        let x = Tensor::<1, Int>::arange(0..120, &Device::flex()).float();
        let x = x.reshape([2, 3, 4, 5]);
        for axes in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let want = x.clone().permute(axes.map(|axis| axis as isize));
            let got = permuted(x.clone(), axes);
            got.into_data().assert_eq(&want.into_data(), true);
        }
    }
}
