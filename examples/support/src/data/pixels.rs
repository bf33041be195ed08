//! Where the pixels of pictures are.

use burn_patch_data::PictureSet;

/// Pixels and labels, or the files that have them.
#[derive(Debug, Clone)]
pub(super) enum Pixels {
    /// One picture after another.
    Memory { values: Vec<u8>, labels: Vec<u8> },
    /// Decoded whenever they are asked for, and not kept.
    Files {
        set: PictureSet,
        /// Checksum of all files that were found together, held-out ones included.
        digest: String,
    },
}
