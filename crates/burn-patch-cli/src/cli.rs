//! The command line.

use clap::{Parser, Subcommand};

use crate::command::{convert, describe, embed, show};
use crate::failure::Failure;

/// Look at vision transformers, run them on pictures, convert them.
#[derive(Parser, Debug)]
#[command(
    name = "burn-patch",
    version,
    after_help = "Exit codes: 0 done, 1 something failed, 2 the command line is wrong."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// What a model is made of: layers, tokens, parameters, multiply-adds, memory
    Describe(describe::Args),
    /// What a model makes of pictures or tensors, into a safetensors file
    Embed(embed::Args),
    /// Weights for another resolution, patch size, number of channels or library
    Convert(convert::Args),
    /// What a model sees in pictures, as a picture
    Show(show::Args),
}

/// Does what the command line says.
pub(crate) fn run(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Describe(args) => describe::run(args),
        Command::Embed(args) => embed::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Show(args) => show::run(args),
    }
}
