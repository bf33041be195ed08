//! What the small programs share: Fashion-MNIST, a plain training loop, accuracy, and pieces of the emoji atlas.

mod atlas;
mod fashion;
mod regions;
mod training;

pub use atlas::{emoji, to_tensor};
pub use fashion::Fashion;
pub use regions::draw_regions;
pub use training::Training;
