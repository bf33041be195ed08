//! Attention on blocks of queries whose scores stay in cache.

mod biases;
mod forward;
mod grad;
mod inputs;
mod part;
mod rows;
mod scores;
mod target;
pub(in crate::ops::backends) mod tensors;
