//! Files of weights: headers that are checked before anything is allocated, and the bytes behind them.

mod checkpoint;
mod dtype;
mod entry;
mod header;
mod index;
mod npz;
mod pickle;
mod sniff;
mod torch;
mod zip;

pub use checkpoint::Checkpoint;
pub use dtype::Dtype;
pub use entry::Entry;
pub use header::{MAX_HEADER, parse_header};
pub use index::parse_index;
