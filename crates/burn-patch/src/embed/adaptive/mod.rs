//! Patches whose size follows the picture: quadtrees and a learned choice.

pub(crate) mod forest;
pub(crate) mod gated;
pub(crate) mod quadtree;
pub(crate) mod regions;
pub(crate) mod routing;
pub(crate) mod saliency;
pub(crate) mod selection;

pub use gated::config::GatedPatchEmbedConfig;
pub use gated::{GatedPatchEmbed, RoutedTokens};
pub use quadtree::{QuadtreePatchEmbed, QuadtreePatchEmbedConfig, QuadtreePreset, Shrink};
pub use routing::{Decay, Routing, TemperatureSchedule};
pub use saliency::Saliency;
pub use selection::Selection;
