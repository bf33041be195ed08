//! A tar shard.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| burn_patch_targets::tar(data));
