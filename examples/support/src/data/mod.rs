//! Pictures from any of the sources.

mod bundled;
mod dataset_name;
mod decode;
mod folder;
mod idx;
mod pictures;
mod pixels;
mod source;
mod split;

pub use dataset_name::DatasetName;
pub use decode::picture;
pub use pictures::Pictures;
pub use source::{OnBadPicture, Source};
pub use split::Split;
