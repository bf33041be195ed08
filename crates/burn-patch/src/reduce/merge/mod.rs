//! Tokens merged with tokens like them.

pub(crate) mod matching;
pub(crate) mod schedule;
pub(crate) mod tome;

pub use schedule::MergeSchedule;
pub use tome::{ToMe, ToMeConfig};
