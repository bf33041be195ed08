//! The command line.

use std::path::PathBuf;

use clap::Parser;
use support::data::Source;

/// Compare encoders by the accuracy of nearest neighbours: each held-out picture gets the class that its nearest training
/// pictures have. Nothing is trained.
///
/// The pixels are always in the table; name encoders with --weights and --run. Writes table.md into the output folder.
#[derive(Parser, Debug, Clone)]
#[command(name = "compare-weights", version)]
pub(crate) struct Args {
    /// A checkpoint of another library, safetensors or its folder, with its config.json beside it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) weights: Vec<PathBuf>,

    /// The folder of a tiny-mae run, whose pre-trained encoder is taken; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Vec<PathBuf>,

    /// Side in pixels to which pictures are resized for --weights. Default: the checkpoint's own, at most 224
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..=2048))]
    pub(crate) side: Option<u32>,

    /// Neighbours that vote
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) neighbours: u32,

    #[command(flatten)]
    pub(crate) source: Source,

    /// Where to run: flex, ndarray (CPU), wgpu (GPU), tch (LibTorch CPU), tch-cuda, cuda; backends
    /// other than flex and ndarray need the cargo feature of the same name (tch for tch-cuda)
    #[arg(long, default_value = "flex")]
    pub(crate) backend: String,

    /// Folder to write into
    #[arg(long, value_name = "DIR", default_value = "out-weights")]
    pub(crate) out: PathBuf,

    /// A smoke test: 1,024 training and 512 held-out pictures
    #[arg(long)]
    pub(crate) quick: bool,
}
