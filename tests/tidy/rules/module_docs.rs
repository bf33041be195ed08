//! Every file says in its first line what it is for.

use crate::rules::assert_none;
use crate::source::sources;

#[test]
fn every_file_starts_with_what_it_is_for() {
    let missing = sources(&["crates", "examples", "tests", "benches"])
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{}:1", source.path));
    assert_none(
        "these files must start with a line of `//!` that says what they are for:",
        missing.collect(),
    );
}
