//! Models whose parameters lie in layers.

use burn::module::Module;

/// A model whose parameters lie in layers, numbered from the patches (0) to the classifier, so that each can have a
/// learning rate of its own.
///
/// timm's `group_matcher`; `timm/models/_manipulate.py` (`group_parameters`).
pub trait Layered: Module {
    /// The layer of the parameter at `path`, the names of the modules above it and its own, joined by dots.
    fn layer(&self, path: &str) -> usize;
}

/// The first name of `path` that is a number.
pub(super) fn number(path: &str) -> Option<usize> {
    path.split('.').find_map(|name| name.parse().ok())
}
