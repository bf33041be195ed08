//! The rule by which a quadtree splits: a number of splits, or a threshold of detail.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::embed::adaptive::forest::{Forest, Level};

/// Which nodes are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Selection {
    /// The best-first search from the roots stops after as many splits as this share of the coarsest nodes, rounded
    /// up. Every image gets the same number of tokens.
    Share {
        /// Splits per coarsest node.
        of_roots: f64,
    },
    /// The best-first search stops after so many splits: `roots + 3·count` tokens for every image (Quadformer).
    Splits {
        /// Number of splits.
        count: usize,
    },
    /// A node is split where its score reaches its level's threshold and its ancestors were split (APT). Images
    /// differ in tokens: the batch is padded to the capacity and says which tokens are valid.
    Threshold {
        /// One threshold per splittable level, from twice the smallest patch to the largest.
        thresholds: Vec<f64>,
        /// Places for tokens; none: as many as there are smallest patches. Where there are too few, the splits are
        /// the first of the best-first search among those over their threshold.
        capacity: Option<usize>,
    },
}

impl Selection {
    pub(crate) fn check(&self, levels: usize) -> Result<(), Error> {
        let positive = |what, value: f64| {
            if value >= 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(range(what, "0 or more".into(), value))
        };
        match self {
            Self::Splits { .. } => Ok(()),
            Self::Share { of_roots } => positive("splits per coarsest node", *of_roots),
            Self::Threshold { thresholds, .. } => {
                if thresholds.len() != levels - 1 {
                    return Err(Error::Shape {
                        what: "thresholds (one per splittable level)",
                        expected: vec![levels - 1],
                        got: vec![thresholds.len()],
                    });
                }
                thresholds
                    .iter()
                    .try_for_each(|threshold| positive("threshold", *threshold))
            }
        }
    }

    /// The most splits that an image of this forest gets.
    pub(crate) fn splits(&self, forest: &Forest) -> Result<usize, Error> {
        let most = forest.splittable();
        let count = match self {
            Self::Splits { count } => *count,
            Self::Share { of_roots } => {
                let coarsest = forest.splittable_levels().first().map_or(0, Level::nodes);
                (of_roots * coarsest as f64).ceil() as usize
            }
            Self::Threshold { capacity: None, .. } => most,
            Self::Threshold {
                capacity: Some(capacity),
                ..
            } => {
                let roots = forest.roots();
                let room = capacity.checked_sub(roots).ok_or_else(|| {
                    let expected = format!("at least the {roots} roots");
                    range("capacity in tokens", expected, *capacity as f64)
                })?;
                most.min(room / 3)
            }
        };
        if count > most {
            let expected = format!("at most the {most} nodes that can be split");
            return Err(range("splits", expected, count as f64));
        }
        Ok(count)
    }
}

fn range(what: &'static str, expected: String, got: f64) -> Error {
    Error::Range {
        what,
        expected,
        got,
    }
}
