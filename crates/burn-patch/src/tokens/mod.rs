//! The one token type, and what it says of its tokens: where they lie, whom they may attend to, how many patches each
//! stands for, and how to undo a selection.

mod attend;
mod boxes;
mod coordinates;
mod layout;
mod lookup;
mod mean;
mod picked;
mod places;
mod reach;
mod restore;
mod rotation;
mod tokens;

pub use crate::ops::Reach;
pub use attend::Attend;
pub use coordinates::Units;
pub use layout::Layout;
pub use places::{PlaceKind, Places};
pub use restore::Restore;
pub use rotation::{Rotation, RotationPairs};
pub use tokens::Tokens;
