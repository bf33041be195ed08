//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use support::TinyModel;
use support::data::{DatasetName, Source};

use crate::names::Names;

/// Pre-train a tiny masked autoencoder on real pictures, fine-tune a ViT from its encoder, and train
/// the same ViT from scratch for comparison.
///
/// Writes reconstructions.png, curves.png, metrics.json and the models (as Burn records and
/// safetensors) into the output folder.
#[derive(Parser, Debug, Clone)]
#[command(name = "tiny-mae", version)]
pub(crate) struct Args {
    /// What to train: the MAE, the ViT from scratch, or the MAE, a ViT fine-tuned from it and one from scratch
    #[arg(long, value_enum, default_value_t = Task::All)]
    pub(crate) task: Task,

    /// Where to run: flex, ndarray (CPU), wgpu (GPU), tch (LibTorch CPU), tch-cuda, cuda; backends
    /// other than flex and ndarray need the cargo feature of the same name (tch for tch-cuda)
    #[arg(long, default_value = "flex")]
    pub(crate) backend: String,

    /// Patch embedding
    #[arg(long, value_parser = Names::embeddings(), value_name = "NAME", default_value = "linear")]
    pub(crate) embed: &'static str,

    /// Reducer of tokens in the middle of the ViT; for --task vit. Default: none
    #[arg(long, value_parser = Names::reducers(), value_name = "NAME")]
    pub(crate) reduce: Option<&'static str>,

    #[command(flatten)]
    pub(crate) source: Source,

    /// Epochs of MAE pre-training; the classifiers get three for every eight. Default: 40, 80 for emoji
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,

    /// Pictures per step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: u32,

    /// Seed of initial weights, order, masks and flips
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// Folder to write into
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,

    /// Go on from the last checkpoint in the output folder
    #[arg(long)]
    pub(crate) resume: bool,

    /// A smoke test of under a minute: 1,024 training pictures, 2 epochs
    #[arg(long)]
    pub(crate) quick: bool,
}

/// What to train.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// The masked autoencoder
    Mae,
    /// The ViT from scratch
    Vit,
    /// Everything
    All,
}

impl Args {
    /// The ViT asked for.
    pub(crate) fn model(&self) -> TinyModel {
        TinyModel {
            embedding: self.embed,
            reducer: self.reduce,
        }
    }

    /// Epochs of pre-training.
    pub(crate) fn mae_epochs(&self) -> usize {
        match (self.epochs, self.quick, self.source.dataset) {
            (Some(epochs), ..) => epochs as usize,
            (None, true, _) => 2,
            (None, false, DatasetName::Emoji) => 80,
            (None, false, DatasetName::Fashion) => 40,
        }
    }

    /// Epochs of supervised training.
    pub(crate) fn vit_epochs(&self) -> usize {
        match self.quick {
            true => self.mae_epochs(),
            false => (3 * self.mae_epochs()).div_ceil(8),
        }
    }
}
