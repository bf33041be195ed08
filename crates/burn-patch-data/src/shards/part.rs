//! What shards of one part hold.

use crate::entry::Entry;
use crate::left_out::LeftOut;

/// The pictures of some shards.
#[derive(Default)]
pub(super) struct Part {
    pub(super) entries: Vec<Entry>,
    pub(super) left_out: LeftOut,
    /// Names of the classes, where the shards say them.
    pub(super) classes: Option<Vec<String>>,
}
