//! `hf://org/model@revision`.

use std::fmt;

/// A model on the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `org/model`.
    pub(crate) model: String,
    /// A branch, a tag or a commit.
    pub(crate) revision: String,
}

impl Address {
    /// Of a text that starts with `hf://`; none if it has another start.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        let rest = text.strip_prefix("hf://")?;
        let (model, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let word = |word: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !word.is_empty() && !word.starts_with('.') && word.chars().all(allowed)
        };
        let parts: Vec<&str> = model.split('/').collect();
        // Branches may have folders, as `refs/pr/1`.
        let known =
            revision.split('/').all(word) && parts.len() == 2 && parts.into_iter().all(word);
        Some(match known {
            true => Ok(Self {
                model: model.to_owned(),
                revision: revision.to_owned(),
            }),
            false => Err(format!(
                "{text}: expected hf://org/model or hf://org/model@revision"
            )),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf://{}@{}", self.model, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_model_and_perhaps_a_revision() {
        let address = |model: &str, revision: &str| {
            Some(Ok(Address {
                model: model.to_owned(),
                revision: revision.to_owned(),
            }))
        };
        assert_eq!(Address::parse("hf://a/b-1.0"), address("a/b-1.0", "main"));
        assert_eq!(
            Address::parse("hf://a/b@refs/pr/1"),
            address("a/b", "refs/pr/1")
        );
        assert_eq!(Address::parse("weights/model.safetensors"), None);
        for wrong in [
            "hf://",
            "hf://a",
            "hf://a/",
            "hf://a/b/c",
            "hf://../b",
            "hf://a/b@",
            "hf://a/b@../x",
            "hf://a/b?x",
        ] {
            assert!(matches!(Address::parse(wrong), Some(Err(_))), "{wrong}");
        }
    }
}
