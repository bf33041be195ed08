//! Images of different sizes together: sizes for a budget of tokens, padded batches, packs of several images a row, and
//! pictures as tiles.

mod by_size;
mod fit;
mod flat;
mod overflow;
mod pack_plan;
mod packed;
mod packer;
mod padded;
mod slot;
mod thumbnail;
mod tiling;

pub use by_size::BySize;
pub use fit::size_for_budget;
pub use overflow::Overflow;
pub use pack_plan::PackPlan;
pub use packed::Packed;
pub use packer::Packer;
pub use padded::valid_mask;
pub use slot::Slot;
pub use thumbnail::Thumbnail;
pub use tiling::Tiling;
