//! Which keys a query reaches.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::ops::layer::attention::reach_primitive::ReachPrimitive;
use crate::ops::layer::attention::spans::Spans;

/// Which keys a query reaches.
///
/// A query that reaches nothing gives zeros. A key out of reach contributes nothing, whatever it holds: a NaN there
/// is neither in the result nor in the gradients of others.
#[derive(Debug, Clone, Default)]
#[allow(clippy::large_enum_variant)] // Handles of tensors, a few of them.
pub enum Reach {
    /// Every key of the image.
    #[default]
    All,
    /// The keys marked true, `[batch, keys]`; the others are padding. Where query, key and value come
    /// [fused](crate::ops::Qkv::Fused), padding asks nothing either: its results are zeros.
    Valid(Tensor<2, Bool>),
    /// The keys with the query's own segment number, which is not negative; −1 is padding, which reaches nothing and
    /// is reached by nobody. So several images share one row of a batch.
    Segments {
        /// `[batch, queries]`.
        queries: Tensor<2, Int>,
        /// `[batch, keys]`.
        keys: Tensor<2, Int>,
        /// The same on the host, for kernels that then need not look at the numbers.
        spans: Option<Arc<Spans>>,
    },
}

impl Reach {
    /// Self-attention within segments that lie one after another: `lengths[image]` are those of one row of the batch,
    /// what is left of its `tokens` is padding. Numbers count on from row to row.
    ///
    /// # Panics
    ///
    /// If the segments of an image are longer than `tokens`.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_patch::ops::Reach;
    ///
    /// let reach = Reach::packed(&[vec![2, 3], vec![4]], 6, &Device::flex());
    /// let Reach::Segments { queries, .. } = reach else {
    ///     unreachable!()
    /// };
    /// let want = [[0, 0, 1, 1, 1, -1], [2, 2, 2, 2, -1, -1]];
    /// queries.into_data().assert_eq(&want.into(), false);
    /// ```
    #[track_caller]
    pub fn packed(lengths: &[Vec<usize>], tokens: usize, device: &Device) -> Self {
        let mut numbers = Vec::with_capacity(lengths.len() * tokens);
        let mut next = 0;
        for (image, lengths) in lengths.iter().enumerate() {
            let total: usize = lengths.iter().sum();
            assert!(
                total <= tokens,
                "segments of image {image}: expected at most {tokens} tokens, got {total}"
            );
            for &len in lengths {
                numbers.resize(numbers.len() + len, next);
                next += 1;
            }
            numbers.resize((image + 1) * tokens, -1_i32);
        }
        let numbers = TensorData::new(numbers, [lengths.len(), tokens]);
        let numbers = Tensor::<2, Int>::from_data(numbers, device);
        Self::Segments {
            queries: numbers.clone(),
            keys: numbers,
            spans: Some(Arc::new(Spans::packed(lengths))),
        }
    }

    /// In the form that crosses Burn's dispatch boundary.
    pub(crate) fn into_primitive(self) -> ReachPrimitive<Dispatch> {
        match self {
            Self::All => ReachPrimitive::All,
            Self::Valid(keys) => ReachPrimitive::Valid(keys.into_dispatch()),
            Self::Segments {
                queries,
                keys,
                spans,
            } => ReachPrimitive::Segments {
                queries: queries.into_dispatch(),
                keys: keys.into_dispatch(),
                spans,
            },
        }
    }
}
