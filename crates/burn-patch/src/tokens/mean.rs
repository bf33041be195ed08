//! Means over tokens, with room for their sums.

use burn::tensor::Tensor;

use crate::ops::at_least_single;

/// Mean of embeddings `[batch, tokens, dim]` over the tokens, each as often as its weight in
/// `[batch, tokens]` says; none: all alike. What has no weight may hold anything, and where nothing has any the mean is 0.
/// `policy` is a second factor, of the same shape, whose gradient counts where it is 0 too.
///
/// Result `[batch, dim]` in the embeddings' type. Half precision is summed in `f32`: it has no room for thousands of
/// tokens, nor for their count.
pub(crate) fn weighted_mean(
    embeddings: Tensor<3>,
    weights: Option<Tensor<2>>,
    policy: Option<Tensor<2>>,
) -> Tensor<2> {
    let dtype = embeddings.dtype();
    let precise = at_least_single(dtype);
    let embeddings = embeddings.cast(precise);
    let column = |values: Tensor<2>| values.cast(precise).unsqueeze_dim::<3>(2);
    let (weights, policy) = (weights.map(column), policy.map(column));
    let embeddings = match &weights {
        None => embeddings,
        Some(weights) => {
            let none = weights.clone().equal_elem(0.0);
            let none = none.expand(embeddings.dims());
            embeddings.mask_fill(none, 0.0)
        }
    };
    let weights = match (weights, policy) {
        (Some(weights), Some(policy)) => Some(weights * policy),
        (weights, policy) => weights.or(policy),
    };
    let mean = match weights {
        None => embeddings.mean_dim(1),
        Some(weights) => {
            let total = weights.clone().sum_dim(1);
            let nothing = total.clone().equal_elem(0.0);
            (embeddings * weights).sum_dim(1) / total.mask_fill(nothing, 1.0)
        }
    };
    mean.squeeze_dim::<2>(1).cast(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{DType, Device};

    #[test]
    fn padding_of_a_long_sequence_in_half_precision_is_left_out() {
        let device = Device::flex();
        let grid = Window::patch([1, 1], Remainder::Reject)
            .layout([40, 50])
            .unwrap();
        let embeddings = Tensor::<3>::full([1, 2000, 3], 40.0, (&device, DType::F16));
        let tokens = Tokens::from_grid(embeddings, grid);
        let valid = Tensor::<2>::ones([1, 2000], &device).greater_elem(0.5);
        let mean = tokens.with_valid(valid).mean().cast(DType::F32);
        mean.into_data().assert_eq(&[[40.0f32; 3]].into(), true);
    }

    #[test]
    fn in_half_precision_the_mean_of_thousands_of_equal_tokens_is_each_of_them() {
        let device = Device::flex();
        let embeddings = Tensor::<3>::full([1, 2000, 2], 40.0, (&device, DType::F16));
        let ones = Tensor::<2>::ones([1, 2000], (&device, DType::F16));
        for weights in [None, Some(ones.clone()), Some(ones * 50.0)] {
            let mean = weighted_mean(embeddings.clone(), weights, None);
            assert_eq!(mean.dtype(), DType::F16);
            mean.cast(DType::F32)
                .into_data()
                .assert_eq(&[[40.0f32; 2]].into(), true);
        }
    }

    #[test]
    fn a_token_that_is_not_seen_is_out_of_the_mean_and_has_a_gradient_yet() {
        let device = Device::flex().autodiff();
        let values = Tensor::<3>::from_floats([[[2.0], [6.0], [9.0]]], &device);
        let policy = Tensor::<2>::from_floats([[1.0, 1.0, 0.0]], &device).require_grad();
        let mean = weighted_mean(values, None, Some(policy.clone()));
        mean.clone().into_data().assert_eq(&[[4.0f32]].into(), true);
        let grad = policy.grad(&mean.sum().backward()).unwrap();
        // ∂(Σ p·x/Σ p)/∂p = (x − mean)/Σ p
        grad.into_data()
            .assert_eq(&[[-1.0f32, 1.0, 2.5]].into(), true);
    }

    #[test]
    fn padding_may_hold_anything_and_an_image_of_padding_alone_gives_zeros() {
        let device = Device::flex();
        let values = Tensor::<3>::from_floats([[[2.0], [f32::NAN]], [[f32::NAN]; 2]], &device);
        let weights = Tensor::from_floats([[1.0, 0.0], [0.0, 0.0]], &device);
        let mean = weighted_mean(values, Some(weights), None);
        mean.into_data().assert_eq(&[[2.0f32], [0.0]].into(), true);
    }
}
