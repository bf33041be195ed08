//! Pictures to learn from and pictures held out.

use std::sync::Arc;

use crate::data::pictures::Pictures;

/// A training part and a held-out part.
#[derive(Debug, Clone)]
pub struct Split {
    /// What reports call it.
    pub name: String,
    /// To learn from.
    pub train: Arc<Pictures>,
    /// Held out.
    pub test: Arc<Pictures>,
    /// How many there are to tell apart.
    pub classes: usize,
}

impl Split {
    pub(crate) fn new(name: &str, train: Pictures, test: Pictures) -> Self {
        let labels = train.labels.iter().chain(&test.labels);
        let classes = labels.max().map_or(0, |label| usize::from(*label) + 1);
        Self {
            name: name.to_owned(),
            train: Arc::new(train),
            test: Arc::new(test),
            classes,
        }
    }

    /// Shuffles and holds a fifth out.
    pub(crate) fn shuffled(name: &str, all: Pictures) -> Self {
        let all = all.shuffled();
        let train = all.len() - all.len() / 5;
        Self::new(name, all.pick(0..train), all.pick(train..all.len()))
    }

    /// The first `train` and `test` pictures.
    #[must_use]
    pub fn truncated(self, train: usize, test: usize) -> Self {
        let first = |pictures: &Pictures, count: usize| {
            Arc::new(pictures.pick(0..count.min(pictures.len())))
        };
        Self {
            train: first(&self.train, train),
            test: first(&self.test, test),
            ..self
        }
    }
}
