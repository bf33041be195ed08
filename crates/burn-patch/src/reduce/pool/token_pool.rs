//! What every pooling reducer is.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// A module that turns any number of tokens into a fixed number of learned ones.
///
/// Each result is a weighted sum over the whole image, so it has no place of its own: its box is the whole image.
/// Prefix tokens stay in front and are not summed. Padding has no weight, and a token that stands for several
/// patches weighs as much as that many tokens; the results have neither padding nor counts. Every image needs at
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

    /// Says whether [`forward`](Self::forward) takes these tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another width; [`Error::Irregular`] for tokens off the grid where it
    /// [needs one](Self::needs_grid).
    fn check(&self, tokens: &Tokens) -> Result<(), Error> {
        if tokens.dim() != self.dim() {
            return Err(Error::Shape {
                what: "width of the tokens to reduce",
                expected: vec![self.dim()],
                got: vec![tokens.dim()],
            });
        }
        if self.needs_grid() && !tokens.is_regular() {
            return Err(Error::Irregular {
                what: "this reducer",
                because: "selected or moved",
            });
        }
        Ok(())
    }

    /// The learned tokens and the weights of their sums, `[batch, tokens out, tokens in]`.
    ///
    /// # Panics
    ///
    /// With the text of [`check`](Self::check)'s error.
    #[track_caller]
    fn forward_with_weights(&self, tokens: Tokens) -> (Tokens, Tensor<3>);

    /// The learned tokens.
    ///
    /// # Panics
    ///
    /// With the text of [`check`](Self::check)'s error.
    #[track_caller]
    fn forward(&self, tokens: Tokens) -> Tokens {
        self.forward_with_weights(tokens).0
    }
}

/// Panics with the text of [`TokenPool::check`]'s error.
#[track_caller]
pub(crate) fn expect_fit(pool: &impl TokenPool, tokens: &Tokens) {
    pool.check(tokens).or_panic();
}
