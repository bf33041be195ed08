//! What the program leaves behind.

mod labels;
mod plot;
pub(crate) mod table;
