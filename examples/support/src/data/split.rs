//! Pictures to learn from and pictures held out.

use std::sync::Arc;

use crate::data::pictures::Pictures;
use crate::run::digest;

/// A training part and a held-out part.
#[derive(Debug, Clone)]
pub struct Split {
    /// What reports call it.
    pub name: String,
    /// To learn from.
    pub train: Arc<Pictures>,
    /// Held out.
    pub test: Arc<Pictures>,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
}

impl Split {
    /// With the names of the classes, by label.
    pub(crate) fn new(name: &str, classes: Vec<String>, train: Pictures, test: Pictures) -> Self {
        Self {
            name: name.to_owned(),
            classes,
            train: Arc::new(train),
            test: Arc::new(test),
        }
    }

    /// With the numbers of the classes as their names.
    pub(crate) fn numbered(name: &str, train: Pictures, test: Pictures) -> Self {
        let labels = |pictures: &Pictures| {
            let labels = (0..pictures.len()).map(|index| pictures.label(index));
            labels.max().map_or(0, |label| label + 1)
        };
        let count = labels(&train).max(labels(&test));
        let classes = (0..count).map(|label| label.to_string()).collect();
        Self::new(name, classes, train, test)
    }

    /// Shuffles and holds a fifth out.
    pub(crate) fn shuffled(name: &str, classes: Vec<String>, all: Pictures) -> Self {
        let all = all.shuffled();
        let train = all.len() - all.len() / 5;
        let (train, test) = (all.pick(0..train), all.pick(train..all.len()));
        Self::new(name, classes, train, test)
    }

    /// Checksum of all pictures and labels, the classes' names and which pictures are held out: of pixels in memory, or of
    /// the bytes of files.
    pub fn digest(&self) -> String {
        let mut text = serde_json::to_string(&self.classes).expect("names serialise");
        for pictures in [&self.train, &self.test] {
            let (size, channels) = (pictures.size, pictures.channels);
            text.push_str(&format!("\n{channels} {size:?} {}", pictures.digest()));
        }
        digest(text.as_bytes())
    }

    /// The first `train` and `test` pictures.
    #[must_use]
    pub fn truncated(self, train: usize, test: usize) -> Self {
        Self {
            train: Arc::new(self.train.truncated(train)),
            test: Arc::new(self.test.truncated(test)),
            ..self
        }
    }
}
