//! What every pooling reducer is.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::or_panic::OrPanic;
use crate::reduce::reduce::{Reduce, Reduced, Seen};
use crate::tokens::PlaceKind;
use crate::{Error, Noise, Tokens};

/// A module that turns any number of tokens into a fixed number of learned ones.
///
/// Each result is a weighted sum over the whole image, so it has no place of its own: its box is the whole image.
/// Prefix tokens stay in front and are not summed. Padding has no weight, and a token that stands for several
/// patches weighs as much as that many tokens; the results have neither padding nor sizes. Every image needs at
/// least one token that is not padding.
pub trait TokenPool: Module {
    /// Width of the tokens that it takes.
    fn dim(&self) -> usize;

    /// Width of the tokens that it gives.
    fn output_dim(&self) -> usize {
        self.dim()
    }

    /// How many tokens it gives per image, the prefix not counted.
    fn tokens(&self) -> usize;

    /// Whether it needs one token per grid cell in row-major order.
    fn needs_grid(&self) -> bool {
        false
    }

    /// The learned tokens and the weights of their sums, `[batch, tokens out, tokens in]`.
    ///
    /// # Panics
    ///
    /// If the width differs, or it [needs the grid](Self::needs_grid) and the tokens have lost it.
    #[track_caller]
    fn forward_with_weights(&self, tokens: Tokens) -> (Tokens, Tensor<3>);

    /// The learned tokens.
    ///
    /// # Panics
    ///
    /// If the width differs, or it [needs the grid](Self::needs_grid) and the tokens have lost it.
    #[track_caller]
    fn forward(&self, tokens: Tokens) -> Tokens {
        self.forward_with_weights(tokens).0
    }
}

/// Panics if `pool` does not take these tokens.
#[track_caller]
pub(crate) fn expect_fit(pool: &impl TokenPool, tokens: &Tokens) {
    pool.width(tokens.dim())
        .and_then(|_| match pool.needs_grid() {
            true => tokens.feature_grid().map(drop),
            false => Ok(()),
        })
        .or_panic();
}

impl<P: TokenPool> Reduce for P {
    fn width(&self, dim: usize) -> Result<usize, Error> {
        if dim != self.dim() {
            return Err(Error::Shape {
                what: "width of the tokens to reduce",
                expected: vec![self.dim()],
                got: vec![dim],
            });
        }
        Ok(self.output_dim())
    }

    fn output(&self, _: usize, _: usize) -> Result<usize, Error> {
        Ok(self.tokens())
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        if self.needs_grid() && places != PlaceKind::Cells {
            return Err(Error::Irregular {
                what: "this reducer",
                because: "selected or moved",
            });
        }
        Ok(PlaceKind::Boxes)
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, _: &mut Noise<'_>) -> Reduced {
        let (tokens, weights) = self.forward_with_weights(tokens);
        Reduced {
            weights: Some(weights),
            ..Reduced::for_good(tokens)
        }
    }
}
