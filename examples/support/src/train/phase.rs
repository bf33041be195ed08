//! One training of a run.

use std::path::PathBuf;

use burn::tensor::Device;

/// One training: which model, how long, how fast, where.
pub struct Phase {
    /// What reports and folders call it.
    pub name: &'static str,
    /// To go through in all.
    pub epochs: usize,
    /// Pictures per step.
    pub batch: usize,
    /// At its highest.
    pub learning_rate: f64,
    /// Of the order of the pictures.
    pub seed: u64,
    /// Where to train.
    pub device: Device,
    /// Folder of its checkpoints and logs.
    pub folder: PathBuf,
    /// Epochs that a checkpoint there has behind it.
    pub done: usize,
}
