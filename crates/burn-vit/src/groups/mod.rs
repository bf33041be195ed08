//! Which parameters decay and how fast each layer learns, as groups that Burn's optimizers take.

mod hierarchical;
mod layered;
mod param_groups;
mod vit;

pub use layered::Layered;
pub use param_groups::{GroupedParam, ParamGroups};
