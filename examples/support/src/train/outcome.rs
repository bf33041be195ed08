//! What a training leaves.

use crate::train::epoch_means::EpochMeans;

/// A trained model, out of training mode, and how it came about.
pub struct Outcome<M> {
    /// The model.
    pub model: M,
    /// Every epoch, those before a resume included.
    pub epochs: Vec<EpochMeans>,
}

impl<M> Outcome<M> {
    /// Mean over the training pictures, in each epoch.
    pub fn train_losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|epoch| epoch.train.loss()).collect()
    }

    /// Mean over the watched pictures, after each epoch.
    pub fn test_losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|epoch| epoch.test.loss()).collect()
    }

    /// Training pictures that went through, in all epochs.
    pub fn pictures(&self) -> usize {
        self.epochs.iter().map(|epoch| epoch.pictures).sum()
    }

    /// Seconds that they took, the watched pictures of each epoch included.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(EpochMeans::seconds).sum()
    }
}
