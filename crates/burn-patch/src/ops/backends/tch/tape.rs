//! LibTorch's own record of an operation, for its gradients.

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;

use super::operations;
use crate::ops::Recorded;

/// The same numbers as a leaf of a new record. They stay marked as shared, so that nothing overwrites them.
pub(super) fn leaf(tensor: TchTensor) -> TchTensor {
    let leaf = tensor.tensor.detach().set_requires_grad(true);
    TchTensor::from_existing(leaf, tensor.storage)
}

/// What was computed from `leaves`, without its record, which is kept with them.
pub(super) fn record(
    output: TchTensor,
    leaves: impl IntoIterator<Item = TchTensor>,
) -> Recorded<LibTorch> {
    let plain = TchTensor::from_existing(output.tensor.detach(), output.storage.clone());
    if !output.tensor.requires_grad() {
        return Recorded::without_tape(plain); // under tch::no_grad
    }
    Recorded {
        output: plain,
        kept: [output].into_iter().chain(leaves).collect(),
    }
}

/// The gradients of `leaves` that a record has, given that of its output.
pub(super) fn gradients(
    output: &TchTensor,
    grad: &TchTensor,
    leaves: &[TchTensor],
) -> Vec<TchTensor> {
    let leaves = leaves.iter().map(|leaf| leaf.tensor.shallow_clone());
    operations::gradients(&output.tensor, &grad.tensor, leaves.collect())
        .into_iter()
        .map(TchTensor::new)
        .collect()
}
