//! Words that are not left in the code.

use std::fs;

use crate::fences::{Fence, documentation, fences};
use crate::rules::assert_none;
use crate::source::{root, sources};

const EVERYWHERE: &[&str] = &["crates", "examples", "tests", "benches"];
/// Pages with code that readers copy.
const PAGES: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

fn places(code: &str, words: &[&'static str]) -> Vec<(usize, &'static str)> {
    words
        .iter()
        .flat_map(|word| code.match_indices(word).map(|(at, _)| (at, *word)))
        .collect()
}

#[test]
fn no_library_code_chooses_a_device() {
    let mut problems = Vec::new();
    for source in sources(&["crates"]) {
        for (at, word) in places(&source.shipped, &["Device::default()"]) {
            problems.push(format!("{}: {word}", source.place(at)));
        }
    }
    assert_none("take a `&Device` instead:", problems);
}

/// A served device does not take Burn's own, see `ops/permuted.rs`; a backend's tensors have methods of these names too.
#[test]
fn axes_are_exchanged_two_at_a_time() {
    let words = [".permute(", ".flip(", "float_permute(", "float_flip("];
    let mut problems = Vec::new();
    for source in sources(&["crates"]) {
        if source
            .path
            .starts_with("crates/burn-patch/src/ops/backends/")
        {
            continue;
        }
        for (at, word) in places(&source.shipped, &words) {
            problems.push(format!("{}: {word}", source.place(at)));
        }
    }
    assert_none(
        "use `swap_dims`, or `permuted` inside burn-patch:",
        problems,
    );
}

#[test]
fn nothing_is_unfinished_or_left_out() {
    let words = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
    let mut problems = Vec::new();
    for source in sources(EVERYWHERE) {
        for (at, word) in places(&source.code, &words) {
            problems.push(format!("{}: {word}", source.place(at)));
        }
    }
    assert_none("finish these or take them out:", problems);
}

/// They panic when nobody reads any more: `say` in place of them does not.
#[test]
fn programs_print_without_panicking() {
    let words = ["println!", "print!(", "fs::write(", "eprintln!"];
    let mut problems = Vec::new();
    for source in sources(&["examples"]) {
        for (at, word) in places(&source.shipped, &words) {
            problems.push(format!("{}: {word}", source.place(at)));
        }
    }
    assert_none("use `support::say` and `support::report::write`:", problems);
}

fn does_not_run(fence: &Fence) -> bool {
    fence
        .words()
        .any(|word| word.starts_with("ignore") || word == "no_run")
}

#[test]
fn examples_run() {
    let mut problems = Vec::new();
    let mut check = |path: &str, found: Vec<Fence>| {
        for fence in found.iter().filter(|fence| does_not_run(fence)) {
            problems.push(format!("{path}:{}: ```{}", fence.line + 1, fence.kind));
        }
    };
    for source in sources(EVERYWHERE) {
        check(&source.path, fences(documentation(&source.text)));
    }
    for page in PAGES {
        let text =
            fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        check(page, fences(text.lines().enumerate()));
    }
    assert_none("examples must run:", problems);
}
