//! A run's folder.

use support::run::{Claim, Identity, RunFolder};

use crate::scratch::{Scratch, split};

const PROGRAM: &str = "test";
const PHASES: [&str; 1] = ["mae"];
const MANIFEST: &str = "runs/mae/epoch-1.json";

/// Goes on with a run whose note and manifest are these, or refuses to; nothing of it is deleted.
pub fn run(data: &[u8]) {
    let (note, manifest) = split(data);
    let scratch = Scratch::new();
    let identity = Identity::new(PROGRAM, [("seed", 0.into())]);
    let open = |resume| {
        let claim = Claim::take(scratch.path(), PROGRAM, &RunFolder::NAMES)?;
        RunFolder::open(claim, PROGRAM, &identity, &PHASES, resume)
    };
    drop(open(false).expect("an empty folder"));
    scratch.write("runs/run.json", note);
    let manifest = scratch.write(MANIFEST, manifest).expect("a file");
    if let Ok(run) = open(true) {
        assert_eq!(run.id(), identity.id());
    }
    assert!(manifest.exists() && scratch.path().join("runs/run.json").exists());
}
