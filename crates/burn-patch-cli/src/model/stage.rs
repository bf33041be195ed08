//! What of a model's way is wanted.

use std::str::FromStr;

/// What of a model's way is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Embedded patches, without positions.
    Patch,
    /// Encoded tokens, prefix first.
    Tokens,
    /// What the classifier sees.
    Pooled,
    /// What the classifier says.
    Logits,
    /// Tokens behind the block of this number, from 0.
    Block(usize),
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let block = text.strip_prefix("block:").map(str::parse);
        match (text, block) {
            ("patch", _) => Ok(Self::Patch),
            ("tokens", _) => Ok(Self::Tokens),
            ("pooled", _) => Ok(Self::Pooled),
            ("logits", _) => Ok(Self::Logits),
            (_, Some(Ok(block))) => Ok(Self::Block(block)),
            _ => Err("expected patch, tokens, pooled, logits or block:N".to_owned()),
        }
    }
}
