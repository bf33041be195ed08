//! What a file is that is no safetensors file.

/// What a file that starts with `bytes` is, where that is known to be something else than safetensors.
pub(crate) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.trim_ascii_start();
    let starts = |prefix: &str| {
        text.len() >= prefix.len() && text[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
    };
    if starts("<!doctype") || starts("<html") || starts("<?xml") || starts("<head") {
        return Some("it is an HTML page, not safetensors; the download gave an error page");
    }
    if starts("version https://git-lfs") {
        return Some("it is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`");
    }
    if bytes.starts_with(b"\x80\x02") || bytes.starts_with(b"\x80\x04") {
        return Some(
            "it is a bare pickle, as torch.save wrote before version 1.6 and which could run code when read; save it again",
        );
    }
    if starts("{") {
        return Some("it is JSON, not safetensors");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_pointers_and_pickles_are_known_and_headers_are_not() {
        for (bytes, word) in [
            (&b"\n<!DOCTYPE html><html>"[..], "HTML"),
            (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
            (b"\x80\x02}q\x00.", "pickle"),
        ] {
            assert!(foreign(bytes).expect("known").contains(word));
        }
        assert_eq!(foreign(b"\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":"), None);
        assert_eq!(foreign(b""), None);
    }
}
