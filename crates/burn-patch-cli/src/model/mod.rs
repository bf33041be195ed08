//! What a model costs, and running it on a batch.

pub(crate) mod components;
pub(crate) mod cost;
pub(crate) mod hierarchical;
pub(crate) mod levels;
pub(crate) mod naflex;
pub(crate) mod reduction;
pub(crate) mod run;
pub(crate) mod stage;
