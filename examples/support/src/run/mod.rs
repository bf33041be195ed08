//! What a run is and where it lies: its identity, and the folder that holds it and its results.

mod claim;
pub(crate) mod digest;
mod identity;
mod run_folder;

pub use claim::Claim;
pub use digest::{digest, model_digest};
pub use identity::Identity;
pub use run_folder::{RunFolder, read_note};
