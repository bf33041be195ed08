//! What a run keeps of itself.

use support::run::read_note;
use support::train::run_of;

use crate::scratch::split;

/// Reads a run.json and the manifest of a checkpoint. What is accepted once is accepted again.
pub fn run(data: &[u8]) {
    let (note, manifest) = split(data);
    if let Some(identity) = read_note(note) {
        assert_eq!(identity.id().len(), 64);
        assert_eq!(read_note(note), Some(identity));
    }
    let _ = run_of(manifest);
}
