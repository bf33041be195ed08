//! The command line of a program that trains what it loads.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Parser;
use support::Error;

use crate::training::Training;

/// Fine-tunes an imported encoder on Fashion-MNIST.
#[derive(Parser, Debug, Clone)]
pub struct FineTuning {
    /// A safetensors checkpoint, or its folder
    #[arg(long)]
    pub weights: PathBuf,
    /// How long to train.
    #[command(flatten)]
    pub training: Training,
}

impl FineTuning {
    /// Why the checkpoint cannot be used.
    pub fn refused(&self, why: impl Display) -> Error {
        Error::Model {
            path: self.weights.clone(),
            why: why.to_string(),
        }
    }
}
