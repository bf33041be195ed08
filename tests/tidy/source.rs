//! The files under the rules.

use std::fs;
use std::path::{Path, PathBuf};

use crate::code::{blank, code};
use crate::items::item_end;

/// One file, read and stripped.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// Without comments and the inside of strings; bytes in their places.
    pub(crate) code: String,
    /// The code that is no test; bytes in their places.
    pub(crate) shipped: String,
}

impl Source {
    fn read(root: &Path, file: &Path) -> Self {
        let path = file.strip_prefix(root).expect("a file below the root");
        let names = path.components().map(|part| part.as_os_str());
        let path: Vec<&str> = names.map(|name| name.to_str().expect("UTF-8")).collect();
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Self::new(&path.join("/"), text)
    }

    pub(crate) fn new(path: &str, text: String) -> Self {
        let code = code(&text);
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        let shipped = match is_test {
            true => String::new(),
            false => without_tests(&code),
        };
        Self {
            path: path.to_owned(),
            text,
            code,
            shipped,
        }
    }

    /// `path:line` of the byte at `at`.
    pub(crate) fn place(&self, at: usize) -> String {
        let line = 1 + self.text[..at].matches('\n').count();
        format!("{}:{line}", self.path)
    }

    /// Where `word` stands in `code` as a word of its own.
    pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let part = |character: char| character.is_alphanumeric() || character == '_';
        code.match_indices(word)
            .map(|(at, _)| at)
            .filter(move |&at| {
                let before = code[..at].chars().next_back();
                let after = code[at + word.len()..].chars().next();
                !before.is_some_and(part) && !after.is_some_and(part)
            })
    }
}

/// `code` with every item below `#[cfg(test)]` blanked.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.as_bytes().to_vec();
    for (at, _) in code.match_indices(MARK) {
        let end = item_end(code, at + MARK.len());
        blank(&mut out[at..end]);
    }
    String::from_utf8(out).expect("whole items were blanked")
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).expect("it lies in tests/tidy");
    root.to_owned()
}

/// Every Rust file below these folders, in order of their paths.
pub(crate) fn sources(folders: &[&str]) -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    assert!(!files.is_empty(), "no files below {folders:?}");
    let read = files.iter().map(|file| Source::read(&root, file));
    read.collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let is_output = path.ends_with("target") || path.ends_with("out");
        if path.is_dir() && !is_output {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_not_shipped() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { {} }\n}\nfn c() {}\n#[cfg(test)]\nmod tests;\n";
        let source = Source::new("crates/x/src/y.rs", text.to_owned());
        let words: Vec<&str> = source.shipped.split_whitespace().collect();
        assert_eq!(words, ["fn", "a()", "{}", "fn", "c()", "{}"]);
        assert!(source.code.contains("fn b"));
        assert!(
            Source::new("src/y/tests.rs", text.to_owned())
                .shipped
                .is_empty()
        );
    }

    #[test]
    fn words_are_whole() {
        let places: Vec<usize> = Source::words("Flex FlexTensor AFlex x::Flex", "Flex").collect();
        assert_eq!(places, [0, 25]);
    }
}
