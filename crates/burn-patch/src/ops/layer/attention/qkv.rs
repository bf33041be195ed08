//! Query, key and value as attention takes them.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::ops::layer::attention::qkv_primitive::QkvPrimitive;

/// Query, key and value, of one projection or of several. Heads lie one after another in the last axis, as in timm.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // Handles of tensors, a few of them.
pub enum Qkv {
    /// Self-attention from one projection, `[batch, tokens, 3·heads·width]`: query, key, value.
    Fused(Tensor<3>),
    /// Three tensors; there may be more or fewer queries than keys.
    Apart {
        /// `[batch, queries, heads·width]`.
        query: Tensor<3>,
        /// `[batch, keys, heads·width]`.
        key: Tensor<3>,
        /// `[batch, keys, heads·width]`.
        value: Tensor<3>,
    },
}

impl Qkv {
    /// In the form that crosses Burn's dispatch boundary.
    pub(crate) fn into_primitive(self) -> QkvPrimitive<Dispatch> {
        match self {
            Self::Fused(qkv) => QkvPrimitive::Fused(qkv.into_dispatch()),
            Self::Apart { query, key, value } => QkvPrimitive::Apart {
                query: query.into_dispatch(),
                key: key.into_dispatch(),
                value: value.into_dispatch(),
            },
        }
    }
}
