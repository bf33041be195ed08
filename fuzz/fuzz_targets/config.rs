//! A model's configuration.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| burn_patch_targets::config(data));
