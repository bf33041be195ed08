//! What a training leaves.

/// A trained model, out of training mode, and how it came about.
pub struct Outcome<M> {
    /// The model.
    pub model: M,
    /// Mean over the training batches of each epoch.
    pub train_loss: Vec<f64>,
    /// Mean over the watched pictures after each epoch.
    pub test_loss: Vec<f64>,
    /// Training pictures that went through in this run.
    pub pictures: usize,
    /// Seconds that they took, the held-out pictures and checkpoints of each epoch included.
    pub seconds: f64,
}
