//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use support::data::{DatasetName, Source};
use support::train::ActivationType;
use support::{RATE_FROM_SCRATCH, TinyModel, USUAL_POSITION};

use crate::names::Names;

/// Pre-train a tiny masked autoencoder on real pictures, fine-tune a ViT from its encoder, and train
/// the same ViT from scratch for comparison.
///
/// Writes reconstructions.png, curves.png, metrics.json and a folder for each model (Burn record,
/// safetensors, config.json) into the output folder.
#[derive(Parser, Debug, Clone)]
#[command(name = "tiny-mae", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// What to train: the MAE, the ViT from scratch, or the MAE, a ViT fine-tuned from it and one from scratch
    #[arg(long, value_enum, default_value_t = Task::All)]
    pub(crate) task: Task,

    /// Where to run: flex, ndarray (CPU), wgpu (GPU), tch (LibTorch CPU), tch-cuda, cuda; backends
    /// other than flex and ndarray need the cargo feature of the same name (tch for tch-cuda)
    #[arg(long, default_value = "flex")]
    pub(crate) backend: String,

    /// Devices to train on together, instead of --backend: each takes its share of every step's pictures. Names of
    /// backends, cuda:0,cuda:1, or remote:HOST:PORT for one that `tiny-mae serve` serves (cargo feature remote)
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        conflicts_with = "backend"
    )]
    pub(crate) devices: Vec<String>,

    /// Patch embedding
    #[arg(long, value_parser = Names::embeddings(), value_name = "NAME", default_value = "linear")]
    pub(crate) embed: &'static str,

    /// Positions
    #[arg(long, value_parser = Names::positions(), value_name = "NAME", default_value = USUAL_POSITION)]
    pub(crate) position: &'static str,

    /// Reducer of tokens in the ViT: tome merges in every block, the others stand in the middle; for --task vit.
    /// Default: none
    #[arg(long, value_parser = Names::reducers(), value_name = "NAME")]
    pub(crate) reduce: Option<&'static str>,

    /// Share of the tokens that the reducer leaves. Default: half, or 8 tokens where it learns them
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "reduce")]
    pub(crate) keep: Option<f64>,

    #[command(flatten)]
    pub(crate) source: Source,

    /// What activations and their gradients are computed in while training; parameters, evaluations and saved models
    /// are f32
    #[arg(long, value_enum, default_value_t = ActivationType::F32)]
    pub(crate) dtype: ActivationType,

    /// Epochs of MAE pre-training; the classifiers get three for every eight. Default: 40, 80 for emoji
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,

    /// Pictures per step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: u32,

    /// Seed of initial weights, order, masks and flips
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// Learning rate at its highest, of the MAE and the ViT from scratch; fine-tuning has half of it. Default: 2e-3
    #[arg(long, value_name = "RATE", value_parser = share)]
    pub(crate) learning_rate: Option<f64>,

    /// Folder to write into
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,

    /// Go on from the newest whole checkpoint in the output folder
    #[arg(long)]
    pub(crate) resume: bool,

    /// On a GPU, measure kernels of matrix products and take the fastest, which makes the first steps take longer; it
    /// says nothing to CPUs and to tch-cuda
    #[arg(long)]
    pub(crate) tune: bool,

    /// A smoke test of under a minute: 1,024 training pictures, 2 epochs
    #[arg(long)]
    pub(crate) quick: bool,
}

/// What to do but train.
#[derive(Subcommand, Debug, Clone)]
pub(crate) enum Command {
    /// Name what is in pictures, by a model that was trained here
    Predict(PredictArgs),
    /// Serve a device to trainings in other processes, on this machine or others (cargo feature remote)
    Serve(ServeArgs),
}

/// What to serve, and where.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct ServeArgs {
    /// Port to listen on; 0 takes one that is free and says which
    #[arg(long)]
    pub(crate) port: u16,

    /// Address to listen on; 0.0.0.0 for all of this machine's. Whoever reaches it may compute here: it asks for no
    /// password, and nothing is encrypted
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,

    /// Which device, as for training; LibTorch's cannot be served
    #[arg(long, default_value = "flex")]
    pub(crate) backend: String,
}

/// Which model, and which pictures.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct PredictArgs {
    /// Folder of the model: vit-finetuned or vit-scratch in the output folder of a training
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,

    /// Where to run, as for training
    #[arg(long, default_value = "flex")]
    pub(crate) backend: String,

    /// Pictures (png, jpeg)
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a number above 0 and at most 1".to_owned()),
    }
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
            position: self.position,
            reducer: self.reduce,
            keep: self.keep,
        }
    }

    /// Learning rate from random weights.
    pub(crate) fn rate(&self) -> f64 {
        self.learning_rate.unwrap_or(RATE_FROM_SCRATCH)
    }

    /// Names of the devices to train on.
    pub(crate) fn devices(&self) -> Vec<String> {
        match self.devices.is_empty() {
            true => vec![self.backend.clone()],
            false => self.devices.clone(),
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
