//! How many tokens pruning keeps, and which.

use burn::tensor::{Int, Tensor};

use crate::grid::nonzero;
use crate::ops::at_least_single;
use crate::ops::pick::{largest, places};
use crate::{Error, Tokens};

/// Refuses a rate outside `(0, 1]` and a number of no tokens.
pub(crate) fn check_keep(rate: f64, keep: Option<usize>) -> Result<(), Error> {
    if !(rate > 0.0 && rate <= 1.0) {
        return Err(Error::Range {
            what: "keep rate",
            expected: "a rate in (0, 1]".into(),
            got: rate,
        });
    }
    nonzero("tokens to keep", &[keep.unwrap_or(1)])
}

/// The `kept` tokens of highest `scores` (`[batch, tokens]`), padding last, of equal ones the lower index: a mask of
/// ones and zeros `[batch, tokens]`, their indices in ascending order, and for each token its place among them.
pub(crate) fn best(
    tokens: &Tokens,
    scores: Tensor<2>,
    kept: usize,
) -> (Tensor<2>, Tensor<2, Int>, Tensor<2>) {
    let scores = scores.detach();
    let dtype = at_least_single(scores.dtype());
    let scores = scores.cast(dtype);
    let scores = match tokens.valid() {
        Some(valid) => scores.mask_fill(valid.bool_not(), f32::MIN),
        None => scores,
    };
    let mask = largest(scores, kept);
    let (index, _) = places(mask.clone(), kept);
    let rank = mask.clone().cumsum(1) - 1.0;
    (mask, index, rank)
}
