//! One stored tensor.

use crate::import::file::dtype::Dtype;

/// One stored tensor, as a header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// First byte of its values, counted from the end of the header, and the one behind the last.
    pub range: [usize; 2],
}
