//! [`Qkv`](crate::ops::Qkv) below the dispatch.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, TensorMetadata};
use burn::tensor::DType;

use crate::ops::layer::attention::attention_sizes::AttentionSizes;

/// Query, key and value in the form that crosses Burn's dispatch boundary; also their gradients.
#[derive(ExtensionType, Debug, Clone)]
pub enum QkvPrimitive<B: Backend> {
    /// `[batch, tokens, 3·heads·width]`.
    Fused(FloatTensor<B>),
    /// Three tensors.
    Apart {
        /// `[batch, queries, heads·width]`.
        query: FloatTensor<B>,
        /// `[batch, keys, heads·width]`.
        key: FloatTensor<B>,
        /// `[batch, keys, heads·width]`.
        value: FloatTensor<B>,
    },
}

impl<B: Backend> QkvPrimitive<B> {
    /// The tensors, one or three.
    pub(crate) fn into_tensors(self) -> Vec<FloatTensor<B>> {
        match self {
            Self::Fused(qkv) => vec![qkv],
            Self::Apart { query, key, value } => vec![query, key, value],
        }
    }

    /// The inverse of [`into_tensors`](Self::into_tensors).
    pub(crate) fn from_tensors(tensors: Vec<FloatTensor<B>>) -> Self {
        match <[_; 3]>::try_from(tensors) {
            Ok([query, key, value]) => Self::Apart { query, key, value },
            Err(mut fused) => Self::Fused(fused.pop().expect("one tensor or three")),
        }
    }

    /// The tensor that holds the query.
    pub(crate) fn query(&self) -> &FloatTensor<B> {
        match self {
            Self::Fused(query) | Self::Apart { query, .. } => query,
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        self.query().dtype()
    }

    pub(crate) fn sizes(&self, heads: usize) -> AttentionSizes {
        let (query, key, parts) = match self {
            Self::Fused(qkv) => (qkv, qkv, 3),
            Self::Apart { query, key, .. } => (query, key, 1),
        };
        let [batch, queries, columns] = query.shape().dims();
        let [_, keys, _] = key.shape().dims::<3>();
        AttentionSizes {
            batch,
            queries,
            keys,
            heads,
            width: columns / parts / heads,
        }
    }
}
