//! What attention must know besides the tokens.

use burn::tensor::Tensor;

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
    /// Added to the scores of every query, `[1 or batch, keys]`, prefix tokens included: the logarithm of token sizes
    /// (ToMe's proportional attention).
    pub key_bias: Option<Tensor<2>>,
    /// How much of each key is left for the queries of others, `[batch, keys]`, prefix tokens included: what
    /// [`Tokens::policy`](crate::Tokens::policy) says.
    pub policy: Option<Tensor<2>>,
}
