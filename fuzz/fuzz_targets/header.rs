//! The header of a safetensors file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| burn_patch_targets::header(data));
