//! Trains the same tiny ViT with each patch embedding, on the same pictures, budget and seed, and leaves a
//! table and a plot of accuracy, parameters, tokens and speed.
//!
//! ```text
//! cargo run --release -p compare-embeddings
//! ```

mod choice;
mod cli;
mod measure;
mod report;
mod run;

use std::process::ExitCode;

/// As in tiny-mae: the system's allocator hands large tensors back to the kernel page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    support::program(run::run)
}
