//! Where an image lies.

/// Where an image lies in a row of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its index in the list of images.
    pub image: usize,
    /// Its first token in the row.
    pub start: usize,
    /// How many tokens it has, those of its prefix included.
    pub length: usize,
}
