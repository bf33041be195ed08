//! [`Reach`](crate::ops::Reach) below the dispatch.

use std::sync::Arc;

use burn::backend::tensor::{BoolTensor, IntTensor};
use burn::backend::{Backend, ExtensionType};

use crate::ops::layer::attention::spans::Spans;

/// Which keys a query reaches, in the form that crosses Burn's dispatch boundary.
#[derive(ExtensionType, Debug, Clone)]
pub enum ReachPrimitive<B: Backend> {
    /// Every key of the image.
    All,
    /// The keys marked true, `[batch, keys]`. Fused queries that are not marked reach nothing.
    Valid(BoolTensor<B>),
    /// The keys with the query's own number, where it is not negative.
    Segments {
        /// `[batch, queries]`.
        queries: IntTensor<B>,
        /// `[batch, keys]`.
        keys: IntTensor<B>,
        /// The same on the host.
        spans: Option<Arc<Spans>>,
    },
}
