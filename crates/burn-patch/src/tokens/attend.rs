//! What attention must know besides the tokens.

use burn::tensor::Tensor;

use crate::tokens::decomposed::Decomposed;
use crate::tokens::rotation::Rotation;

/// What attention must know besides the tokens themselves, whose [reach](crate::tokens::Reach) stays their own.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::tokens::Attend;
///
/// // Two keys that stand for three patches and for one: proportional attention.
/// let sizes = Tensor::<2>::from_floats([[3.0, 1.0]], &Device::flex());
/// let attend = Attend { key_bias: Some(sizes.log()), ..Attend::default() };
/// assert!(attend.bias.is_none() && attend.rotation.is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Attend {
    /// Turns queries and keys by their places (rotary positions).
    pub rotation: Option<Rotation>,
    /// Added to the scores, `[1 or batch, 1 or heads, queries, keys]`, prefix tokens included.
    pub bias: Option<Tensor<4>>,
    /// Added to the scores, from the queries themselves (decomposed relative positions).
    pub decomposed: Option<Decomposed>,
    /// Added to the scores of every query, `[1 or batch, keys]`, prefix tokens included: the logarithm of token sizes
    /// (ToMe's proportional attention), or of a keep probability (DynamicViT).
    pub key_bias: Option<Tensor<2>>,
}

impl Attend {
    /// All that is added to the scores of single queries and keys, `[1 or batch, 1 or heads, queries, keys]`: the bias, and
    /// what the queries decide. `query` gives them, `[batch, tokens, heads·width]`, as projected, neither turned nor scaled;
    /// it is asked only where they matter.
    ///
    /// # Panics
    ///
    /// If the number of tokens or the width of a head differs.
    ///
    /// ```
    /// use burn_patch::tokens::Attend;
    ///
    /// assert!(Attend::default().score_bias(2, || unreachable!()).is_none());
    /// ```
    #[track_caller]
    pub fn score_bias(&self, heads: usize, query: impl FnOnce() -> Tensor<3>) -> Option<Tensor<4>> {
        let Some(decomposed) = &self.decomposed else {
            return self.bias.clone();
        };
        let bias = decomposed.bias(query(), heads);
        Some(match &self.bias {
            None => bias,
            Some(more) => bias + more.clone(),
        })
    }
}
