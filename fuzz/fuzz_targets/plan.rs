//! From names and shapes to a plan.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| burn_patch_targets::plan(data));
