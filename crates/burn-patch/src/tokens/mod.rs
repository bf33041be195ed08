//! The one token type, and what it says of its tokens: where they lie, whom they may attend to, how many patches each
//! stands for, and how to undo a selection.

mod attend;
mod behind_prefix;
mod boxes;
mod coordinates;
mod decomposed;
mod layout;
mod lookup;
mod mean;
mod picked;
mod places;
mod reach;
mod restore;
mod rotation;
mod tokens;
mod windows;

pub use crate::ops::Reach;
pub use attend::Attend;
pub use coordinates::Units;
pub use decomposed::{AxisVectors, Decomposed};
pub use layout::Layout;
pub use places::{PlaceKind, Places};
pub use restore::Restore;
pub use rotation::{Rotation, RotationPairs};
pub use tokens::Tokens;
pub use windows::Windows;

pub(crate) use behind_prefix::bias_behind_prefix;
