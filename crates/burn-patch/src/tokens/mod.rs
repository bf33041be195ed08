//! The one token type and its parts.

mod tokens;

pub use tokens::Tokens;
