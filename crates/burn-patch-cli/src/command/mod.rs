//! A file for each command.

pub(crate) mod convert;
pub(crate) mod describe;
mod describe_levels;
pub(crate) mod embed;
pub(crate) mod show;
