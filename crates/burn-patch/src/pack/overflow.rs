//! What to do with images that do not fit.

use serde::{Deserialize, Serialize};

/// What happens to an image that the rows of a pack have no room for. None is ever cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Overflow {
    /// An error.
    #[default]
    Reject,
    /// It goes to the next pack.
    Spill,
}
