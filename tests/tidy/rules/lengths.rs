//! Functions and files that can be read at once.

use crate::code::blank;
use crate::exceptions::Exceptions;
use crate::items::{item_end, skip_space, word_at};
use crate::rules::assert_none;
use crate::source::{Source, sources};

const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 500;

/// Functions (`file: name`) that may be longer, and why.
const LONGER_FUNCTIONS: &[(&str, &str)] = &[];
/// Files that may be longer, and why.
const LONGER_FILES: &[(&str, &str)] = &[];

/// The code without the bodies of `macro_rules!`.
fn without_macros(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (at, _) in code.match_indices("macro_rules!") {
        let end = item_end(code, at);
        blank(&mut out[at..end]);
    }
    String::from_utf8(out).expect("whole items were blanked")
}

/// Name, place and lines, from its first word to its last brace, of each function that is no test.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let code = without_macros(&source.shipped);
    let mut found = Vec::new();
    for at in Source::words(&code, "fn") {
        let name = word_at(&code, skip_space(&code, at + 2));
        let end = item_end(&code, at);
        // The type `fn(x) -> y` has no name, and a trait's function may have no body.
        if name.is_empty() || !code[..end].ends_with('}') {
            continue;
        }
        let lines = 1 + code[at..end].matches('\n').count();
        found.push((name.to_owned(), at, lines));
    }
    found
}

#[test]
fn functions_have_under_70_lines() {
    let exceptions = Exceptions::new(LONGER_FUNCTIONS);
    let mut problems = Vec::new();
    for source in sources(&["crates", "examples"]) {
        for (name, at, lines) in functions(&source) {
            if lines >= FUNCTION_LINES && !exceptions.excuse(&format!("{}: {name}", source.path)) {
                problems.push(format!("{}: {name} has {lines} lines", source.place(at)));
            }
        }
    }
    problems.extend(exceptions.unneeded());
    assert_none("split these functions:", problems);
}

#[test]
fn files_have_under_500_lines() {
    let exceptions = Exceptions::new(LONGER_FILES);
    let mut problems = Vec::new();
    for source in sources(&["crates", "examples"]) {
        let lines = source.text.lines().count();
        if lines >= FILE_LINES && !exceptions.excuse(&source.path) {
            problems.push(format!(
                "{}:{FILE_LINES}: it has {lines} lines",
                source.path
            ));
        }
    }
    problems.extend(exceptions.unneeded());
    assert_none("split these files:", problems);
}

#[test]
fn lines_are_counted_from_the_first_word_to_the_last_brace() {
    let lines = [
        "macro_rules! m {",
        "  () => { fn a() {",
        "  } }",
        "}",
        "impl X {",
        "  fn b(",
        "    x: fn(u8),",
        "  ) {",
        "    {}",
        "  }",
        "  fn c();",
        "}",
    ];
    let found = functions(&Source::new("crates/x/src/y.rs", lines.join("\n")));
    let found = found.iter().map(|(name, _, lines)| (name.as_str(), *lines));
    assert_eq!(found.collect::<Vec<_>>(), [("b", 5)]);
}
