//! Adds position to tokens, by place: one file per encoding. Never sees pixels.

mod learned;
mod place;
mod sincos;

use alloc::vec;
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

/// Adds `patches` (`[1 or batch, tokens, dim]`) to the patch tokens and `prefix` (`[1, placed, dim]`) to the
/// first prefix tokens; prefix tokens beyond them get none.
fn add(tokens: Tokens, patches: Tensor<3>, prefix: Option<Tensor<3>>) -> Tokens {
    let (count, dim) = (tokens.prefix(), tokens.dim());
    let [rows, ..] = patches.dims();
    let device = patches.device();
    let row = |count| Tensor::zeros([rows, count, dim], (&device, patches.dtype()));
    let offset = match (count, prefix) {
        (0, _) => patches,
        (_, None) => Tensor::cat(vec![row(count), patches], 1),
        (_, Some(prefix)) => {
            let [_, placed, _] = prefix.dims();
            let prefix = prefix.expand([rows, placed, dim]);
            match count - placed {
                0 => Tensor::cat(vec![prefix, patches], 1),
                rest => Tensor::cat(vec![prefix, row(rest), patches], 1),
            }
        }
    };
    tokens.map(|embeddings| embeddings + offset)
}
