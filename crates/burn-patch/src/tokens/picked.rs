//! Marks picked by index.

use burn::tensor::{Bool, Int, Tensor};

/// The marks `[batch, tokens]` at `index` (`[batch, kept]`), in that order.
pub(super) fn picked(marks: Tensor<2, Bool>, index: &Tensor<2, Int>) -> Tensor<2, Bool> {
    marks.int().gather(1, index.clone()).greater_elem(0)
}
