//! The first tokens: shows what a new reducer needs.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::grid::nonzero;
use crate::reduce::reduce::{Reduce, Reduced, Seen};
use crate::tokens::{PlaceKind, Restore};
use crate::{Error, Noise, Tokens};

/// Configuration of [`FirstTokens`].
#[derive(Config, Debug)]
pub struct FirstTokensConfig {
    /// Tokens to keep.
    pub keep: usize,
}

/// Keeps the first tokens.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::{FirstTokensConfig, Reduce, Seen};
///
/// let device = Device::flex();
/// let tokens = patchify(Tensor::ones([1, 1, 2, 2], &device), [1, 1], FlatOrder::default()).unwrap();
/// let reduce = FirstTokensConfig::new(3).init(&device);
/// assert_eq!(reduce.reduce(tokens, Seen::Tokens, 0, &mut Noise::None).tokens.tokens(), 3);
/// ```
#[derive(Module, Debug)]
pub struct FirstTokens {
    keep: usize,
}

impl FirstTokensConfig {
    /// Keeps `tokens` tokens, of any width.
    pub fn for_tokens(tokens: usize, _dim: usize) -> Self {
        Self::new(tokens)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no token to keep.
    pub fn try_init(&self, _: &Device) -> Result<FirstTokens, Error> {
        nonzero("tokens to keep", &[self.keep])?;
        Ok(FirstTokens { keep: self.keep })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> FirstTokens {
        crate::or_panic::OrPanic::or_panic(self.try_init(device))
    }
}

impl Reduce for FirstTokens {
    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        Ok(tokens.min(self.keep))
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        Ok(match places {
            PlaceKind::Cells => PlaceKind::Picked,
            other => other,
        })
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, _: &mut Noise<'_>) -> Reduced {
        let (batch, all) = (tokens.batch(), tokens.tokens());
        let kept = all.min(self.keep);
        let device = tokens.embeddings().device();
        let index =
            |count: usize| (0..count as i32).map(move |i| if i < kept as i32 { i } else { -1 });
        let rows = |count: usize| -> Tensor<2, Int> {
            let values: Vec<i32> = (0..batch).flat_map(|_| index(count)).collect();
            Tensor::from_data(TensorData::new(values, [batch, count]), &device)
        };
        let restore = Restore::new(rows(all), &tokens);
        Reduced {
            restore: Some(restore),
            ..Reduced::for_good(tokens.select(rows(kept)))
        }
    }
}
