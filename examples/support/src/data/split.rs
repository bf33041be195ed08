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
    /// With `classes` by name; labels beyond them are named by their number.
    pub(crate) fn new(name: &str, classes: &[String], train: Pictures, test: Pictures) -> Self {
        let labels = train.labels.iter().chain(&test.labels);
        let count = labels.max().map_or(0, |label| usize::from(*label) + 1);
        let names = (0..count.max(classes.len())).map(|label| match classes.get(label) {
            Some(name) => name.clone(),
            None => label.to_string(),
        });
        Self {
            name: name.to_owned(),
            classes: names.collect(),
            train: Arc::new(train),
            test: Arc::new(test),
        }
    }

    /// Shuffles and holds a fifth out.
    pub(crate) fn shuffled(name: &str, classes: &[String], all: Pictures) -> Self {
        let all = all.shuffled();
        let train = all.len() - all.len() / 5;
        let (train, test) = (all.pick(0..train), all.pick(train..all.len()));
        Self::new(name, classes, train, test)
    }

    /// Checksum of all pictures and labels, the classes' names and which pictures are held out.
    pub fn digest(&self) -> String {
        let mut text = serde_json::to_string(&self.classes).expect("names serialise");
        for pictures in [&self.train, &self.test] {
            let (size, channels) = (pictures.size, pictures.channels);
            let [pixels, labels] = [&pictures.pixels, &pictures.labels].map(|bytes| digest(bytes));
            text.push_str(&format!("\n{channels} {size:?} {pixels} {labels}"));
        }
        digest(text.as_bytes())
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
