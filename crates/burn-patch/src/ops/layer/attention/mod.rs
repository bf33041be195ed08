//! The one attention operation: what it takes, its gradients, and the default composed of Burn's operations.
//!
//! It takes query, key and value fused or apart, a bias of the scores, one of the keys, a scale, and which keys a query
//! reaches: all, the valid ones, or those of its own segment. What is out of reach contributes nothing, even a NaN, and
//! what reaches nothing gives zeros. The composed default uses masks. A weight of 0 does not stop a NaN there, so the
//! products' other factor is cleaned as well; between segments, what is not finite is taken out and added back where it
//! is in reach, which costs a product or two of the head's size, without a read-back. A fused token that is not valid
//! asks nothing either: its query would carry its NaN into the gradients of valid keys.

pub(crate) mod composed;
pub(crate) mod empty;

mod attention;
mod attention_grads;
mod attention_inputs;
mod attention_options;
mod attention_sizes;
mod composed_reach;
mod heads;
mod qkv;
mod qkv_primitive;
mod reach;
mod reach_primitive;
mod spans;
#[cfg(test)]
mod tests;

pub use attention::attention;
pub use attention_grads::{AttentionGrads, TrackedBiases};
pub use attention_inputs::AttentionInputs;
pub use attention_options::AttentionOptions;
pub use qkv::Qkv;
pub use qkv_primitive::QkvPrimitive;
pub use reach::Reach;
pub use reach_primitive::ReachPrimitive;
pub use spans::{Span, Spans};

#[cfg(any(feature = "cpu", feature = "tch"))]
pub(crate) use attention_sizes::AttentionSizes;
