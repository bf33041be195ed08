//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use support::data::Source;

use crate::choice::Choice;

/// Train the same tiny ViT with each patch embedding, with each kind of positions and with each reducer, on the same
/// pictures, budget and seed.
///
/// Writes table.md, table.json and plot.png into the output folder, anew after each embedding.
#[derive(Parser, Debug, Clone)]
#[command(name = "compare-embeddings", version)]
pub(crate) struct Args {
    /// Which embeddings, positions and reducers, separated by commas. Default: all that take such pictures
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) embeddings: Vec<Choice>,

    #[command(flatten)]
    pub(crate) source: Source,

    /// Where to run: flex, ndarray (CPU), wgpu (GPU), tch (LibTorch CPU), tch-cuda, cuda; backends
    /// other than flex and ndarray need the cargo feature of the same name (tch for tch-cuda)
    #[arg(long, default_value = "flex")]
    pub(crate) backend: String,

    /// Epochs of training for each embedding. Default: 4, 1 with --quick
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,

    /// Pictures per step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: u32,

    /// Seed of initial weights, order and flips, the same for each embedding
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// Trainings per embedding, with consecutive seeds; accuracy is then their mean ± standard deviation
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seeds: u32,

    /// Folder to write into
    #[arg(long, value_name = "DIR", default_value = "out-compare")]
    pub(crate) out: PathBuf,

    /// A smoke test of under two minutes: 1,024 training and 500 held-out pictures, 1 epoch
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Args {
    /// Epochs for each embedding.
    pub(crate) fn epochs(&self) -> usize {
        match (self.epochs, self.quick) {
            (Some(epochs), _) => epochs as usize,
            (None, true) => 1,
            (None, false) => 4,
        }
    }

    /// The embeddings asked for, each once; all if none is named.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        let asked = match self.embeddings.as_slice() {
            [] => Choice::value_variants(),
            asked => asked,
        };
        let mut choices = Vec::new();
        for choice in asked {
            if !choices.contains(choice) {
                choices.push(*choice);
            }
        }
        choices
    }
}
