//! What a file names of other files: its `use` statements, and paths in its code.

use crate::items::{skip_space, word_at};
use crate::source::Source;

/// One name that a file takes from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// As written: `["crate", "grid", "Window"]`; the last is `*` for all names.
    pub(crate) path: Vec<String>,
    /// What it is called here.
    pub(crate) name: String,
    /// Whether others may take it from here: `pub use`.
    pub(crate) shared: bool,
    /// Where it stands.
    pub(crate) at: usize,
}

/// What the code of a file that is no test takes from elsewhere.
pub(crate) fn imports(source: &Source) -> Vec<Import> {
    let code = &source.shipped;
    let mut found = Vec::new();
    let mut statements = Vec::new();
    for at in Source::words(code, "use") {
        let from = skip_space(code, at + 3);
        // `impl Trait + use<'a>` is no statement, nor is a macro's `use $path`.
        if code[from..].starts_with('<') {
            continue;
        }
        let Some(length) = code[from..].find(';') else {
            continue;
        };
        let tree = &code[from..from + length];
        statements.push(from..from + length);
        if tree.contains('$') {
            continue;
        }
        let before = code[..at].trim_end();
        let shared = before.ends_with("pub") || before.ends_with(')');
        expand(tree, &[], &mut |path, name| {
            let path = path.to_vec();
            found.push(Import {
                path,
                name,
                shared,
                at,
            });
        });
    }
    for first in ["crate", "super"] {
        for at in Source::words(code, first) {
            if statements.iter().any(|statement| statement.contains(&at))
                || is_macro_crate(code, at)
            {
                continue;
            }
            let path = path_at(code, at);
            if path.len() > 1 && !continues(code, at) {
                let name = path.last().cloned().unwrap_or_default();
                found.push(Import {
                    path,
                    name,
                    shared: false,
                    at,
                });
            }
        }
    }
    found
}

/// `$crate`.
fn is_macro_crate(code: &str, at: usize) -> bool {
    code[..at].ends_with('$')
}

/// The middle of a path, as in `super::super::x`.
fn continues(code: &str, at: usize) -> bool {
    code[..at].trim_end().ends_with("::")
}

/// The path that begins at `at`.
fn path_at(code: &str, mut at: usize) -> Vec<String> {
    let mut path = Vec::new();
    loop {
        let word = word_at(code, at);
        if word.is_empty() {
            return path;
        }
        path.push(word.to_owned());
        let next = skip_space(code, at + word.len());
        if !code[next..].starts_with("::") {
            return path;
        }
        at = skip_space(code, next + 2);
    }
}

/// Calls `each` with the path and the name of every leaf of the tree of a `use`.
fn expand(tree: &str, prefix: &[String], each: &mut impl FnMut(&[String], String)) {
    let tree = tree.trim();
    if tree.is_empty() {
        return;
    }
    if let Some(open) = tree.find('{') {
        let mut prefix = prefix.to_vec();
        prefix.extend(segments(&tree[..open]));
        let inside = tree[open + 1..].trim_end().strip_suffix('}');
        for branch in branches(inside.expect("a closed brace")) {
            expand(branch, &prefix, each);
        }
        return;
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim().to_owned())),
        None => (tree, None),
    };
    let mut whole = prefix.to_vec();
    whole.extend(segments(path));
    // `a::{self}` is `a`.
    if whole.len() > 1 && whole.last().is_some_and(|last| last == "self") {
        whole.pop();
    }
    let name = alias.unwrap_or_else(|| whole.last().cloned().unwrap_or_default());
    each(&whole, name);
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    let parts = path.split("::").map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned)
}

/// The parts of a list between its outer commas.
fn branches(list: &str) -> Vec<&str> {
    let (mut depth, mut from) = (0, 0);
    let mut parts = Vec::new();
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, String, bool)> {
        let source = Source::new("crates/x/src/y.rs", text.to_owned());
        let found = imports(&source).into_iter();
        found
            .map(|import| (import.path.join("::"), import.name, import.shared))
            .collect()
    }

    fn plain(path: &str, name: &str) -> (String, String, bool) {
        (path.to_owned(), name.to_owned(), false)
    }

    #[test]
    fn braces_are_expanded_and_aliases_kept() {
        let text = "use crate::{Error, grid::{self, Window as W}, ops::*}; // use no::comment;\nuse std::fmt;";
        let want = [
            plain("crate::Error", "Error"),
            plain("crate::grid", "grid"),
            plain("crate::grid::Window", "W"),
            plain("crate::ops::*", "*"),
            plain("std::fmt", "fmt"),
        ];
        assert_eq!(of(text), want);
    }

    #[test]
    fn shared_names_and_paths_in_code_count_too() {
        let text = "pub(crate) use a::B;\npub use c::D;\nfn f() { crate::e::g(super::super::h) }";
        let want = [
            ("a::B".to_owned(), "B".to_owned(), true),
            ("c::D".to_owned(), "D".to_owned(), true),
            plain("crate::e::g", "g"),
            plain("super::super::h", "h"),
        ];
        assert_eq!(of(text), want);
    }

    #[test]
    fn tests_and_captures_are_no_imports() {
        let text =
            "fn f<'a>() -> impl Sized + use<'a> {}\n#[cfg(test)]\nmod tests { use super::*; }";
        assert_eq!(of(text), []);
    }
}
