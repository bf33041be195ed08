//! Folders of pictures by class.

mod parts;
mod read;
mod walk;

pub(crate) use parts::{Parts, parts};
pub(crate) use read::read;
pub(crate) use walk::{files, visible};
