//! Offsets between tokens.

use burn::tensor::Tensor;

use crate::Tokens;
use crate::tokens::Units;

/// How much further down, and further right, each query lies than each key: `[1 or batch, queries, keys]` each, in single
/// precision at least.
pub(crate) fn offsets(tokens: &Tokens, units: Units) -> [Tensor<3>; 2] {
    let places = tokens.coordinates(units);
    [0, 1].map(|axis| {
        let place = places.clone().slice_dim(2, axis..axis + 1);
        place.clone() - place.swap_dims(1, 2)
    })
}
