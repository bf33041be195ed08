//! How much a token weighs where tokens become one.

use burn::tensor::{DType, Tensor};

use crate::Tokens;

/// How many patches each token stands for, `[batch, tokens]`; padding stands for none.
pub(crate) fn counts(tokens: &Tokens) -> Tensor<2> {
    let sizes = tokens.sizes().map(|sizes| sizes.cast(DType::F32));
    let valid = tokens.valid().map(|valid| valid.float().cast(DType::F32));
    match (sizes, valid) {
        (Some(sizes), Some(valid)) => sizes * valid,
        (Some(counts), None) | (None, Some(counts)) => counts,
        (None, None) => {
            let shape = [tokens.batch(), tokens.tokens()];
            Tensor::ones(shape, (&tokens.embeddings().device(), DType::F32))
        }
    }
}

/// The patch tokens' embeddings, zeros for padding, which may hold anything.
pub(crate) fn cleared(tokens: &Tokens) -> Tensor<3> {
    let patches = tokens.patch_embeddings();
    match tokens.valid() {
        None => patches,
        Some(valid) => {
            let padding = valid.bool_not().unsqueeze_dim::<3>(2);
            let padding = padding.expand(patches.dims());
            patches.mask_fill(padding, 0.0)
        }
    }
}

/// The tokens with these counts as sizes; padding, which counts nothing, has size 1, so that its logarithm is finite.
pub(crate) fn sized(tokens: Tokens, counts: Tensor<2>) -> Tokens {
    let none = counts.clone().equal_elem(0.0);
    tokens.with_sizes(counts.mask_fill(none, 1.0))
}
