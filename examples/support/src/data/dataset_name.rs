//! The bundled data by name.

use clap::ValueEnum;

/// Bundled data.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetName {
    /// Fashion-MNIST
    Fashion,
    /// Noto emoji
    Emoji,
}
