//! Why a checkpoint cannot be read, understood or loaded.

use std::path::Path;

/// Why a checkpoint cannot be read, understood or loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file that cannot be opened or is not what its name says.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Names that belong to no dialect.
    #[error("no known dialect has these names: {names}; expected weights of one of {known}")]
    Dialect {
        /// Some of the names.
        names: String,
        /// The dialects.
        known: String,
    },
    /// Something that neither weights nor configuration nor caller say.
    #[error("{what} is open: the weights do not say it; expected {hint}")]
    Open {
        /// What.
        what: &'static str,
        /// What would say it.
        hint: String,
    },
    /// The configuration says one thing, the weights another.
    #[error("{what}: the configuration says {config}, the weights say {weights}")]
    Disagree {
        /// About what.
        what: &'static str,
        /// What the configuration says.
        config: String,
        /// What the weights say.
        weights: String,
    },
    /// A setting that is not understood or has no part here.
    #[error("{what}: {got} is not supported; expected {expected}")]
    Unsupported {
        /// Which setting.
        what: String,
        /// Its value.
        got: String,
        /// What is.
        expected: String,
    },
    /// Weights that the model needs are missing, or some are left over.
    #[error("missing: [{missing}]; unused: [{unused}]; allow by name what may be")]
    Incomplete {
        /// Parameters without a source.
        missing: String,
        /// Names that nothing used.
        unused: String,
    },
    /// A tensor of another shape than the model's.
    #[error("{name}: expected {expected:?}, got {got:?}")]
    Shape {
        /// Its name in the file.
        name: String,
        /// The shape that the model needs.
        expected: Vec<usize>,
        /// Its shape.
        got: Vec<usize>,
    },
    /// A tensor that holds NaN or an infinity.
    #[error("{name}: expected finite values, got {got} at position {at}")]
    NotFinite {
        /// Its name in the file.
        name: String,
        /// The value.
        got: String,
        /// Where, counted in row-major order.
        at: usize,
    },
    /// The model refuses its own configuration.
    #[error("the model of this configuration cannot be built: {0}")]
    Model(String),
}

impl ImportError {
    pub(crate) fn file(file: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            file: file.display().to_string(),
            reason: reason.into(),
        }
    }
}
