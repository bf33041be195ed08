//! What a model is run on: pictures, or tensors from a file.

pub(crate) mod json;
pub(crate) mod pictures;
pub(crate) mod tensors;
