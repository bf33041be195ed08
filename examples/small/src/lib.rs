//! What the small programs share: Fashion-MNIST, a plain training loop, accuracy and cosines,
//! pieces of the emoji atlas, and regions drawn over a picture.

mod atlas;
mod cosine;
mod fashion;
mod fine_tuning;
mod regions;
mod training;

pub use atlas::{emoji, to_tensor};
pub use cosine::cosine;
pub use fashion::Fashion;
pub use fine_tuning::FineTuning;
pub use regions::draw_regions;
pub use training::Training;
