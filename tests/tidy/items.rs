//! Where items begin and end, in code without comments and strings.

/// The end of the item whose attributes or first word follow `from`: past its `;` or its closing brace.
pub(crate) fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            b'{' if depth == 0 => return brace_end(code, at),
            _ => {}
        }
    }
    code.len()
}

/// Past the brace that closes the one at `open`.
pub(crate) fn brace_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The word at `at`, empty if none begins there.
pub(crate) fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_');
    &rest[..end.unwrap_or(rest.len())]
}

/// The first byte at or after `at` that is no space.
pub(crate) fn skip_space(code: &str, at: usize) -> usize {
    let rest = &code[at..];
    at + rest.len() - rest.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_end_with_their_brace_or_semicolon() {
        let code = "#[a(b)] fn f(x: [u8; 2]) { { } } fn g();";
        assert_eq!(
            &code[..item_end(code, 0)],
            "#[a(b)] fn f(x: [u8; 2]) { { } }"
        );
        assert_eq!(item_end(code, 33), code.len());
        assert_eq!(word_at(code, skip_space(code, 7)), "fn");
    }
}
