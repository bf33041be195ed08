//! From encoded tokens to features and logits.

mod attention_pool;
mod head;

pub use attention_pool::{AttentionPool, AttentionPoolConfig};
pub use head::{Head, HeadConfig, Pooling};
