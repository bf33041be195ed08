//! `burn-patch`: looks at vision transformers, runs them on pictures and converts them.

mod arguments;
mod array;
mod cli;
mod command;
mod failure;
mod hub;
mod input;
mod model;
mod numbers;
mod output;
mod program;
mod record;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::program(cli::run)
}
