//! Adds position to tokens, by place: one file per encoding. Never sees pixels.

mod add;
mod learned;
mod place;
mod sincos;

use burn::module::Module;
use burn::tensor::Tensor;

pub use learned::{LearnedPosition, LearnedPositionConfig};
pub use sincos::{SinCosDialect, SinCosPosition, SinCosPositionConfig, sincos_table};

use crate::Tokens;

/// An additive position encoding chosen at run time.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per model; a box would be no Module
pub enum AnyPosition {
    /// A trained table.
    Learned(LearnedPosition),
    /// Fixed sines and cosines.
    SinCos(SinCosPosition),
}

impl AnyPosition {
    /// Adds positions to the tokens.
    ///
    /// # Panics
    ///
    /// Those of the variant.
    #[track_caller]
    pub fn forward(&self, tokens: Tokens) -> Tokens {
        match self {
            Self::Learned(position) => position.forward(tokens),
            Self::SinCos(position) => position.forward(tokens),
        }
    }

    /// What the encoding adds to prefix tokens, `[1, prefix, dim]`, if anything.
    pub fn prefix(&self) -> Option<Tensor<3>> {
        match self {
            Self::Learned(position) => position.prefix_table(),
            Self::SinCos(_) => None,
        }
    }
}
