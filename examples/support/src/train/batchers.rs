//! The pictures of one training.

use crate::train::picture_batcher::PictureBatcher;

/// Pictures to learn from and pictures to watch.
pub struct Batchers {
    /// To learn from.
    pub train: PictureBatcher,
    /// How many.
    pub train_len: usize,
    /// To watch.
    pub test: PictureBatcher,
    /// How many.
    pub test_len: usize,
}
