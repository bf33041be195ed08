//! What the program leaves behind.

mod labels;
mod plot;
mod table;

pub(crate) use table::{Row, Settings, Table};
