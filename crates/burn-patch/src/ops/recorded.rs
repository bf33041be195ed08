//! The result of an operation whose gradients will be asked for.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

/// A result, and what the backend keeps for its backward pass besides the operation's inputs.
#[derive(Debug, Clone)]
pub struct Recorded<B: Backend> {
    /// The result.
    pub output: FloatTensor<B>,
    /// What the operation's gradients get back; nothing where a backend has no use for it.
    pub kept: Vec<FloatTensor<B>>,
}

impl<B: Backend> Recorded<B> {
    /// The result of a backend that keeps nothing for it.
    pub fn without_tape(output: FloatTensor<B>) -> Self {
        let kept = Vec::new();
        Self { output, kept }
    }
}
