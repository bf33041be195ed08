//! Pre-trains a tiny MAE, fine-tunes a ViT from its encoder and trains the same ViT from scratch.
//!
//! ```text
//! cargo run --release -p tiny-mae
//! ```
//!
//! Fashion-MNIST (8,000 pictures of the bundled set), patch 4, dim 64, 4 layers; README has the time
//! it takes and the accuracy to expect.

mod cli;
mod model;
mod names;
mod predict;
mod report;
mod run;
mod session;

use std::process::ExitCode;

/// Training allocates and frees large tensors all the time, which the system's allocator hands back
/// to the kernel page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    support::program(run::run)
}
