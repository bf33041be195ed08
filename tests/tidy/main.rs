//! The rules of this repository, checked by reading its sources: one file per rule, below `rules/`.
//!
//! `cargo test -p burn-patch-tidy` takes seconds: it needs neither Burn nor anything else that has to be compiled.
//! Each failure names a file and a line. Where a rule has exceptions, they are a list at the top of its file, with
//! reasons.

mod code;
mod exceptions;
mod fences;
mod imports;
mod items;
mod modules;
mod rules;
mod source;
