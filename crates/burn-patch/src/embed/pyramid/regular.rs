//! What a coarser level asks of the tokens below it.

use crate::Tokens;

/// Tokens that are a feature map of `dim` channels, or a panic that says why not.
#[track_caller]
pub(crate) fn regular(tokens: Tokens, dim: usize) -> Tokens {
    assert!(
        tokens.is_whole_grid() && tokens.valid().is_none() && tokens.prefix() == 0,
        "a coarser level needs one real token per grid cell in row-major order and no prefix"
    );
    assert_eq!(tokens.dim(), dim, "width of the tokens");
    tokens
}
