//! What the command lines of programs that train have in common.

use clap::Parser;

/// Trains on Fashion-MNIST and shows one thing of burn-patch with what it trained.
#[derive(Parser, Debug, Clone)]
pub struct Training {
    /// Steps of 64 pictures each
    #[arg(long, default_value_t = 250)]
    pub steps: usize,
    /// Held-out pictures to test with, at most 2,000
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    pub pictures: u16,
}
