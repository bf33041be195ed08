//! How often the nearest pictures by an encoder's features are of the same class: for imported encoders, for the tiny MAE
//! of a run, and for the pixels themselves. Nothing is trained.
//!
//! ```text
//! cargo run --release -p compare-weights -- --weights model.safetensors --run out
//! ```

mod cli;
mod encoder;
mod features;
mod imported;
mod neighbours;
mod pretrained;
mod run;
mod table;

use std::process::ExitCode;

/// As in tiny-mae: the system's allocator hands large tensors back to the kernel page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    support::program(run::run)
}
