//! Biases of the scores from a table of offsets.

pub(crate) mod bias_resize;
pub(crate) mod offset_table;
pub(crate) mod relative_bias;

pub use bias_resize::BiasResize;
pub use relative_bias::{RelativeBiasPosition, RelativeBiasPositionConfig};
