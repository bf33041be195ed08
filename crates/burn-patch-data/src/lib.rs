//! Pictures for training and inference, from files, folders of classes and shards.
//!
//! [`open`] finds out what lies under a path and gives [`Sets`]: where each picture is, its class, and how many files
//! were left out for which reason. A picture is decoded when it is asked for and not kept: memory holds where each of them
//! lies, and no pixels. [`decode`] turns the bytes of one picture into RGB as a viewer shows it.
//!
//! ```
//! use burn_patch_data::{open, OnBad};
//!
//! let folder = tempfile::tempdir()?;
//! for class in ["cat", "dog"] {
//!     std::fs::create_dir(folder.path().join(class))?;
//!     for name in ["0.png", "1.png"] {
//!         image::RgbImage::new(8, 6).save(folder.path().join(class).join(name))?;
//!     }
//! }
//! std::fs::write(folder.path().join("cat/notes.txt"), "not a picture")?;
//!
//! let sets = open(folder.path())?.checked(32, OnBad::Stop)?;
//! assert_eq!(sets.classes, ["cat", "dog"]);
//! assert_eq!(sets.train.len(), 4);
//! assert_eq!(sets.summary(), "4 pictures of 2 classes; left out: 1 not a picture");
//! assert_eq!(sets.train.picture(0, 32)?.dimensions(), (8, 6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod decode;
mod entry;
mod error;
mod folder;
mod jpeg;
mod left_out;
mod on_bad;
mod open;
mod picture_set;
mod preprocess;
mod regions;
mod sets;
mod shards;

pub use decode::{Why, decode};
pub use error::Error;
pub use left_out::LeftOut;
pub use on_bad::OnBad;
pub use open::open;
pub use picture_set::PictureSet;
pub use preprocess::{Interpolation, Preprocess, Resize};
pub use regions::draw_regions;
pub use sets::Sets;
