//! The classifier's loss as one operation.

use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

use crate::ops::LayerOps;

/// The mean over rows of the cross entropy of class scores and classes, `[1]`.
///
/// Szegedy et al., [Rethinking the Inception Architecture](https://arxiv.org/abs/1512.00567), section 7, for the
/// smoothing `s` over `K` classes: `−(1 − s)·log p_y − s/K·Σ log p`, `p` the softmax of the scores. The numbers of Burn's
/// `CrossEntropyLoss`, which composes it of some twenty operations.
///
/// # Shapes
///
/// - logits `[rows, classes]`, classes `[rows]`; output `[1]`
///
/// # Panics
///
/// If there is no row, or if rows are not as many as classes. A class out of range is not looked for.
pub fn cross_entropy(logits: Tensor<2>, classes: Tensor<1, Int>, smoothing: f64) -> Tensor<1> {
    let [rows, _] = logits.dims();
    assert!(rows > 0, "the mean of no rows");
    assert_eq!(classes.dims(), [rows], "classes");
    Tensor::from_dispatch(<Dispatch as LayerOps>::cross_entropy_forward(
        logits.into_dispatch(),
        classes.into_dispatch(),
        smoothing,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, TensorData};

    const TOLERANCE: f64 = 1e-5;

    /// Values and gradients against the formula on the host.
    #[test]
    fn it_is_the_formula_and_so_is_its_gradient() {
        let device = Device::flex().autodiff();
        let (scores, labels) = ([[0.5, -1.0, 2.0], [80.0, 0.25, -3.0]], [2, 1]);
        for smoothing in [0.0, 0.1] {
            let logits = Tensor::<2>::from_floats(scores, &device).require_grad();
            let classes = Tensor::<1, Int>::from_data(TensorData::from(labels), &device);
            let loss = cross_entropy(logits.clone(), classes, smoothing);
            let grad = logits.grad(&loss.clone().mul_scalar(3.0).backward());
            let grad = grad.unwrap().into_data().try_to_vec_as::<f64>().unwrap();
            let mut want = 0.0;
            for (row, label) in labels.into_iter().enumerate() {
                let total: f64 = scores[row].iter().map(|score: &f64| score.exp()).sum();
                for (class, score) in scores[row].into_iter().enumerate() {
                    let hit = if class == label as usize {
                        1.0 - smoothing
                    } else {
                        0.0
                    };
                    let target = hit + smoothing / 3.0;
                    want -= target * (score - total.ln()) / 2.0;
                    let slope = 3.0 * (score.exp() / total - target) / 2.0;
                    assert!((grad[3 * row + class] - slope).abs() < TOLERANCE);
                }
            }
            let got = loss.into_scalar::<f64>();
            assert!((got - want).abs() < TOLERANCE * want, "{got} {want}");
        }
    }

    #[test]
    fn a_masked_class_costs_nothing_where_it_has_no_share() {
        let device = Device::flex().autodiff();
        let scores = [[0.5, f32::NEG_INFINITY, 2.0]];
        let logits = Tensor::<2>::from_floats(scores, &device).require_grad();
        let classes = Tensor::<1, Int>::from_ints([2], &device);
        let loss = cross_entropy(logits.clone(), classes, 0.0);
        let want = (1.0 + (-1.5f32).exp()).ln();
        let grad = logits.grad(&loss.backward()).unwrap();
        assert!((loss.into_scalar::<f32>() - want).abs() < 1e-6);
        let grad = grad.into_data().try_to_vec_as::<f32>().unwrap();
        assert!(
            grad[1] == 0.0 && grad.iter().all(|value| value.is_finite()),
            "{grad:?}"
        );
    }

    #[test]
    fn half_precision_holds_the_mean_of_many_rows_of_many_classes() {
        let device = Device::flex();
        let logits = Tensor::<2>::zeros([128, 1000], (&device, DType::F16));
        let classes = Tensor::<1, Int>::zeros([128], &device);
        for smoothing in [0.0, 0.1] {
            let loss = cross_entropy(logits.clone(), classes.clone(), smoothing);
            let apart = loss.into_scalar::<f32>() - 1000f32.ln();
            assert!(apart.abs() < 5e-3, "{apart}");
        }
    }
}
