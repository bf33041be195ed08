//! The losses of one training.

use crate::train::Outcome;

/// A panel of the plot: loss per epoch, on training and held-out pictures.
pub struct Curve {
    pub(crate) title: &'static str,
    pub(crate) train: Vec<f64>,
    pub(crate) test: Vec<f64>,
}

impl Curve {
    /// That of `outcome`.
    pub fn new<M>(title: &'static str, outcome: &Outcome<M>) -> Self {
        Self {
            title,
            train: outcome.train_losses(),
            test: outcome.test_losses(),
        }
    }
}
