//! Tables resized and read between their cells: weights from the host, applied as matrix products.

mod align;
mod filter;
mod profile;
mod resize;
mod resize_matrix;

pub use align::Align;
pub use filter::Filter;
pub use profile::Profile;
pub use resize::{Resize, resize};
pub use resize_matrix::ResizeMatrix;
