//! One training of a run.

use std::path::PathBuf;

use burn::tensor::Device;

use crate::draws::Draws;

/// One training: which model, how long, how fast, where.
pub struct Phase {
    /// What reports and folders call it.
    pub name: &'static str,
    /// To go through in all.
    pub epochs: usize,
    /// Pictures per step, shared out among the devices.
    pub batch: usize,
    /// At its highest.
    pub learning_rate: f64,
    /// What is random about it.
    pub draws: Draws,
    /// Where to train; with several, the first has the model and the optimizer.
    pub devices: Vec<Device>,
    /// Folder of its checkpoints.
    pub folder: PathBuf,
    /// Id of the run.
    pub run: String,
    /// Digest of the trained model that it starts from; empty if it starts from the seed's weights.
    pub start: String,
}
