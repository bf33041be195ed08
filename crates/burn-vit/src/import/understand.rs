//! What a model is made of, from everything that says something of it.

use crate::import::architecture::{Architecture, Decoder};
use crate::import::dialect::Dialect;
use crate::import::error::ImportError;
use crate::import::facts::Facts;
use crate::import::file::Entry;
use crate::import::usual::usual;
use crate::import::weights::Weights;

/// The architecture of weights in a dialect: what the caller says counts first, then what names and shapes say, then the
/// configuration, then what all models of the dialect have.
///
/// # Errors
///
/// [`ImportError::Disagree`] if weights and configuration contradict each other, and those of [`Facts::resolve`].
pub fn understand<'a>(
    dialect: Dialect,
    entries: impl Iterator<Item = &'a Entry>,
    caller: &Facts,
    config: &Facts,
) -> Result<Architecture, ImportError> {
    let weights = Weights::new(dialect, entries).facts();
    weights.agree(config)?;
    let decoder = decoder(weights.decoder, caller.decoder.or(config.decoder));
    let usual = usual(dialect, &weights);
    let known = caller.clone().or(weights).or(config.clone()).or(usual);
    Facts {
        decoder: Some(decoder),
        ..known
    }
    .resolve()
}

/// The decoder that the weights hold, with what only a configuration says of it.
fn decoder(weights: Option<Option<Decoder>>, config: Option<Option<Decoder>>) -> Option<Decoder> {
    let held = weights.flatten()?;
    Some(match config.flatten() {
        None => held,
        Some(config) => Decoder {
            dim: held.dim,
            depth: held.depth,
            hidden: held.hidden,
            ..config
        },
    })
}
