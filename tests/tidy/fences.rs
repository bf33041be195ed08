//! Code blocks in documentation.

/// A code block between two lines of three backticks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// Number of the line that opens it, from 0.
    pub(crate) line: usize,
    /// What follows the backticks there.
    pub(crate) kind: String,
    /// What lies between.
    pub(crate) body: String,
}

impl Fence {
    /// Whether rustdoc compiles and runs it.
    pub(crate) fn runs(&self) -> bool {
        self.words()
            .all(|word| ["rust", "should_panic", "edition2024"].contains(&word))
    }

    /// The words that say what it is.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        let words = self.kind.split([',', ' ']);
        words.filter(|word| !word.is_empty())
    }
}

/// The code blocks of Markdown, given by its lines.
pub(crate) fn fences<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut open: Option<Fence> = None;
    for (line, text) in lines {
        match (text.trim().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(kind), None) => {
                let kind = kind.to_owned();
                open = Some(Fence {
                    line,
                    kind,
                    body: String::new(),
                });
            }
            (None, Some(fence)) => fence.body += &format!("{text}\n"),
            (None, None) => {}
        }
    }
    found
}

/// The lines of documentation in Rust's text, with their numbers from 0 and without what marks them.
pub(crate) fn documentation(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let line = line.trim_start();
        let doc = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        doc.map(|doc| (number, doc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_kind() {
        let text =
            "/// a\n/// ```\n/// assert!(true);\n/// ```\n/// ```text\n/// b\n/// ```\nfn f() {}";
        let found = fences(documentation(text));
        assert_eq!(found.len(), 2);
        assert!(found[0].runs() && found[0].body.contains("assert!"));
        assert!(!found[1].runs());
        assert_eq!(found[1].line, 4);
    }
}
