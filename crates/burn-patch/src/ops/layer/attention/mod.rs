//! The one attention operation: what it takes, its gradients, and the default composed of Burn's operations.

pub(crate) mod composed;

mod attention;
mod attention_grads;
mod attention_inputs;
mod attention_options;
mod attention_sizes;
mod composed_reach;
mod key_reach;
mod key_reach_primitive;
mod qkv;
mod qkv_primitive;
mod spans;
#[cfg(test)]
mod tests;

pub use attention::attention;
pub use attention_grads::{AttentionGrads, TrackedBiases};
pub use attention_inputs::AttentionInputs;
pub use attention_options::AttentionOptions;
pub use key_reach::KeyReach;
pub use key_reach_primitive::KeyReachPrimitive;
pub use qkv::Qkv;
pub use qkv_primitive::QkvPrimitive;
pub use spans::{Span, Spans};

pub(crate) use attention_sizes::AttentionSizes;
