//! What a backend's attention gets.

use burn::backend::{Backend, ExtensionType};

use crate::ops::Bias;
use crate::ops::layer::attention::attention_sizes::AttentionSizes;
use crate::ops::layer::attention::qkv_primitive::QkvPrimitive;
use crate::ops::layer::attention::reach_primitive::ReachPrimitive;

/// All that attention takes, in the form that crosses Burn's dispatch boundary.
#[derive(ExtensionType, Debug, Clone)]
pub struct AttentionInputs<B: Backend> {
    /// Query, key and value.
    #[extension_type]
    pub qkv: QkvPrimitive<B>,
    /// Added to the scores, `[1|batch, 1|heads, queries, keys]`.
    #[extension_type]
    pub bias: Bias<B>,
    /// Added to the scores of each key, `[1|batch, keys]`.
    #[extension_type]
    pub key_bias: Bias<B>,
    /// Which keys a query reaches.
    #[extension_type]
    pub reach: ReachPrimitive<B>,
    /// Number of heads.
    pub heads: usize,
    /// What products of query and key are multiplied by.
    pub scale: f64,
}

impl<B: Backend> AttentionInputs<B> {
    pub(crate) fn sizes(&self) -> AttentionSizes {
        self.qkv.sizes(self.heads)
    }

    pub(crate) fn is_fused(&self) -> bool {
        matches!(self.qkv, QkvPrimitive::Fused(_))
    }
}
