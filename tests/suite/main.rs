//! Every test that computes on a backend, in one program, so that Burn is linked once.
//!
//! A module's name is a filter: `cargo test -p burn-patch-tests --test suite conformance`.

mod composition;
mod conformance;
mod gradients;
mod identities;
mod layers;
mod optimizer;
mod packs;
mod parity;
mod quantized;
mod training;
