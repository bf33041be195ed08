//! How large an attention is.

/// The axes of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttentionSizes {
    pub(crate) batch: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) heads: usize,
    pub(crate) width: usize,
}

impl AttentionSizes {
    /// All heads side by side.
    pub(crate) fn dim(&self) -> usize {
        self.heads * self.width
    }

    /// Whether there is nothing to attend.
    pub(crate) fn is_empty(&self) -> bool {
        [self.batch, self.queries, self.keys, self.dim()].contains(&0)
    }
}
