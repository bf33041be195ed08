//! The whole picture beside its tiles.

use serde::{Deserialize, Serialize};

/// Where the whole picture, resized to one tile, stands beside the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thumbnail {
    /// Before them (LLaVA-NeXT).
    First,
    /// Behind them, where there are several (InternVL).
    Last,
    /// Nowhere.
    None,
}
