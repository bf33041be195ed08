//! What an epoch came to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::train::exact::Exact;

/// Means over the pictures of one part of the data: every picture counts once, whatever batch it was in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Means {
    pub(crate) loss: Exact,
    pub(crate) accuracy: Option<Exact>,
}

impl Means {
    /// The loss.
    pub fn loss(&self) -> f64 {
        self.loss.0
    }

    /// The share that was named rightly; none where nothing is named.
    pub fn accuracy(&self) -> Option<f64> {
        self.accuracy.map(|share| share.0)
    }
}

/// The means of an epoch, and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMeans {
    /// While training, before each step.
    pub train: Means,
    /// Over the watched pictures, after the epoch.
    pub test: Means,
    /// Training pictures.
    pub pictures: usize,
    pub(crate) seconds: Exact,
}

impl EpochMeans {
    /// Seconds that the epoch took, the watched pictures included.
    pub fn seconds(&self) -> f64 {
        self.seconds.0
    }
}

impl fmt::Display for EpochMeans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, means) in [("test", self.test), ("train", self.train)] {
            if let Some(share) = means.accuracy() {
                write!(f, "{part} accuracy {:.2} %, ", 100.0 * share)?;
            }
            let end = if part == "test" { ", " } else { "  " };
            write!(f, "{part} loss {:.4}{end}", means.loss())?;
        }
        write!(f, "({:.1} s)", self.seconds())
    }
}
