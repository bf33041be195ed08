//! Tables and weights resized, and tables read between their cells: weights from the host, applied as matrix products.

pub(crate) mod align;
pub(crate) mod channels;
mod dual;
pub(crate) mod filter;
pub(crate) mod profile;
pub(crate) mod resize;
pub(crate) mod resize_kernel;
pub(crate) mod resize_matrix;
pub(crate) mod sample;
pub(crate) mod sample_map;

pub use align::Align;
pub use channels::ChannelMap;
pub use filter::Filter;
pub use profile::Profile;
pub use resize::{Resize, resize};
pub use resize_kernel::resize_kernel;
pub use resize_matrix::ResizeMatrix;
pub use sample::sample;
