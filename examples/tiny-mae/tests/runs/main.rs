//! Runs as their user meets them: stopped, killed, resumed, damaged, side by side, and with nobody listening.

mod damage;
mod data;
mod files;
mod folders;
mod models;
mod numbers;
mod output;
mod program;
#[cfg(feature = "remote")]
mod remote;
mod resume;
mod stops;
